EXTRA_DIST += \
	contrib/check.sh contrib/demo.sh contrib/deps.sh contrib/peer.sh \
	contrib/lint/layers.awk contrib/lint/lint.sh contrib/lint/sizes.awk

lint: all
	cd $(top_srcdir) && contrib/lint/lint.sh $(abs_top_builddir) $(CC)
.PHONY: lint
