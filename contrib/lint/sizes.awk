# Functions of more than 100 lines, files of more than 600. Usage: awk -f sizes.awk FILES
FNR == 1 { begin = 0 }
/^[a-z_][a-z0-9_]*\(/ { name = $0; begin = FNR; sub(/\(.*/, "", name) }
/^}/ {
	if (begin && FNR - begin > 100) {
		printf "%s:%d: %s has %d lines\n", FILENAME, begin, name, FNR - begin
		bad = 1
	}
	begin = 0
}
FNR == 601 { printf "%s: more than 600 lines\n", FILENAME; bad = 1 }
END { exit bad }
