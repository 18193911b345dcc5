# Reports every include that points up, or sideways into another room of the same rank.
# Usage: awk -f layers.awk FILES
BEGIN {
	rank["engine/base"] = 0
	rank["engine/format"] = rank["engine/store"] = 1
	rank["engine/replica"] = rank["engine/conf"] = 2
	rank["engine/sync"] = rank["engine/view"] = 3
	rank["fs"] = rank["tools"] = 4
}
function room(path) {
	if (path ~ /^engine\//)
		return substr(path, 1, index(substr(path, 8), "/") + 6)
	return substr(path, 1, index(path, "/") - 1)
}
/^#include "/ {
	split($0, part, "\"")
	from = room(FILENAME)
	to = room(part[2])
	if (!(from in rank) || !(to in rank) || from == to)
		next
	if (rank[to] >= rank[from]) {
		printf "%s:%d: %s may not include %s\n", FILENAME, FNR, from, part[2]
		bad = 1
	}
}
END { exit bad }
