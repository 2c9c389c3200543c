# The short front of the build. `make help` lists the targets.
BUILD ?= build
.DEFAULT_GOAL := all

# Meson reads the list of sources when it configures; configure again when a file came or went.
$(BUILD)/build.ninja: meson.build
	@meson setup $(BUILD) $(if $(wildcard $(BUILD)/build.ninja),--reconfigure) $(MESON_ARGS) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }; rm -f $(BUILD).log
.PHONY: all sources
sources:
	@mkdir -p $(BUILD); { tools/sources src; tools/sources test; } >$(BUILD)/.sources.new; \
	cmp -s $(BUILD)/.sources.new $(BUILD)/.sources || { mv $(BUILD)/.sources.new $(BUILD)/.sources; rm -f $(BUILD)/build.ninja.stamp; \
	if [ -f $(BUILD)/build.ninja ]; then meson setup --reconfigure $(BUILD) >/dev/null; fi; }
all: sources $(BUILD)/build.ninja ## build the server
	@ninja -C $(BUILD) --quiet
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'
