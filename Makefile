# A thin wrapper: the scripts and the presets do the work.
.PHONY: build test quick run clean
build: ; @bash -euo pipefail -c '. tools/bootstrap.sh; ensure_packages build test; configure_and_build dev'
test:  ; @./test.sh
quick: ; @./test.sh --quick
run:   ; @./run.sh
clean: ; rm -rf build

tidy:
	TIDY=1 ./test.sh
.PHONY: tidy
