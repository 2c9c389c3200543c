# The short front of the build. `make help` lists the targets.
BUILD ?= build
ASAN = build-asan
COVER = build-cover
J ?= 2
.DEFAULT_GOAL := all

# Meson reads the list of sources when it configures; configure again when a file came or went.
$(BUILD)/build.ninja: meson.build
	@meson setup $(BUILD) $(if $(wildcard $(BUILD)/build.ninja),--reconfigure) $(MESON_ARGS) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }; rm -f $(BUILD).log
run: ## install what is missing, build, start the demo and send a letter through it; CHECK=1: end after that
	@tools/install-deps run
	@$(MAKE) --no-print-directory all
	@exec tools/demo $(if $(CHECK),check)
.PHONY: all run sources help asan test check lint fmt cover fuzz clean
sources:
	@mkdir -p $(BUILD); { tools/sources src; ls src/store/rocks; tools/sources test; } >$(BUILD)/.sources.new; \
	cmp -s $(BUILD)/.sources.new $(BUILD)/.sources || { mv $(BUILD)/.sources.new $(BUILD)/.sources; \
	if [ -f $(BUILD)/build.ninja ]; then meson setup --reconfigure $(BUILD) >/dev/null; fi; }
all: sources $(BUILD)/build.ninja ## build the server
	@ninja -C $(BUILD) --quiet
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

asan: ## build with the address and undefined-behaviour sanitizers, in build-asan
	@$(MAKE) --no-print-directory all BUILD=$(ASAN) MESON_ARGS='-Db_sanitize=address,undefined -Dtests=enabled'
test: asan ## unit and session suites under the sanitizers (T=prefix for others)
	@tools/check -j $(J) $(or $(T),unit session)
check: ## install what the checks need, build both ways, run every suite
	@tools/install-deps check
	@$(MAKE) --no-print-directory all MESON_ARGS=-Dtests=enabled
	@$(MAKE) --no-print-directory asan
	@tools/check -j $(J)
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
clean: ## remove the build folders
	@rm -rf build build-asan build-cover build-fuzz
