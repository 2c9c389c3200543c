# The short front of the build. `make help` lists the targets.
BUILD ?= build
ASAN = build-asan
COVER = build-cover
J ?= 2
.DEFAULT_GOAL := all

run: ## install what is missing, build, start the demo and send a letter through it; CHECK=1: end after that
	@tools/install-deps run
	@echo 'Building in $(BUILD) ...'
	@$(MAKE) --no-print-directory all TARGETS='sallyport sallyport-rocks.so'
	@exec tools/demo $(if $(CHECK),check)
.PHONY: all run help asan test check check-ready lint fmt cover fuzz clean
all: ## build the server, as build/sallyport
	@tools/configure $(BUILD) $(MESON_ARGS)
	@ninja -C $(BUILD) --quiet $(TARGETS)
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

asan: ## build with the address and undefined-behaviour sanitizers, in build-asan
	@$(MAKE) --no-print-directory all BUILD=$(ASAN) MESON_ARGS='-Db_sanitize=address,undefined -Dtests=enabled'
test: asan ## unit and session suites under the sanitizers (T=prefix for others)
	@tools/check -j $(J) $(or $(T),unit session)
check: check-ready ## install what the checks need, build both ways, run every suite
	@tools/check -j $(J)
check-ready: ## the same up to the suites
	@tools/install-deps check
	@echo 'Building in $(BUILD) and, with sanitizers, in $(ASAN) ...'
	@$(MAKE) --no-print-directory all MESON_ARGS=-Dtests=enabled
	@$(MAKE) --no-print-directory asan
lint: ## the rules of HACKING.md that a program can check
	@tools/lint
fmt: ## format all C with clang-format
	@find src test fuzz -name '*.[ch]' -print0 | xargs -0 clang-format -i
cover: ## line coverage of the unit tests by file, in build-cover
	@$(MAKE) --no-print-directory all BUILD=$(COVER) MESON_ARGS='-Db_coverage=true -Dtests=enabled'
	@find $(COVER) -name '*.gcda' -delete
	@for t in $(COVER)/unit-*; do [ ! -f $$t ] || SALLYPORT_SOURCE=. $$t >/dev/null 2>&1 || echo "$$t fails"; done
	@gcovr -r . --object-directory $(COVER) --filter src/ --sort-percentage
fuzz: ## make fuzz T=target S=seconds; T=all for every target
	@tools/fuzz $(or $(T),all) $(or $(S),60)
sim: ## one simulated world with all that was said: make sim SEED=7
	@$(MAKE) --no-print-directory all MESON_ARGS=-Dtests=enabled
	@$(BUILD)/test-sim -v $(or $(SEED),1)
.PHONY: sim
check-package: ## the Debian package in a clean root made by debootstrap and booted with systemd; needs root, some minutes
	@tools/install-deps package
	@test/package/run
.PHONY: check-package
deb: ## the Debian package, in build-deb; installs what building it needs
	@tools/install-deps package
	@tools/deb
.PHONY: deb doc
doc: all ## the references that the code itself holds: doc/settings.md, doc/messages.md
	@{ echo '# Settings'; echo; echo 'Made from src/conf/schema.c by `make doc`.'; echo; $(BUILD)/sallyport config reference; } >doc/settings.md
	@cp $(BUILD)/ipc.md doc/messages.md
clean: ## remove the build folders
	@rm -rf build build-asan build-cover build-fuzz
