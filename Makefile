# One command per wish; `make` alone lists them. Needs python3 >= 3.11 with the venv module, and PyPI.

VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
FRESH := .venv-dist
PEERS := .venv-peers
BACKEND ?= asyncio
WORKERS ?= 1
PORT ?= 8000
PYTHON2 ?= python2.7
PYTHON313 ?= .venv-3.13/bin/python
CLASSIC := $(VENV)/autobahntestsuite

.DEFAULT_GOAL := help
.PHONY: help demo docs docs-check description extras reproducible test test-pythons lint types-wheel new-project fix \
	hooks conformance conformance-asgi proxies pyodide attacks losses spread autobahn autobahn-classic deep coverage equality fanout bench \
	bench-full bench-scaling bench-parts bench-bridges \
	bench-typed bench-core bench-report tox dist lines clean
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## notes, chat, live metrics: make demo BACKEND=asyncio|uvloop|anyio|trio|curio|threads WORKERS=2
	$(BIN)/python docs/examples/demo.py --backend $(BACKEND) --workers $(WORKERS)

docs: $(VENV)/.docs ## build the documentation's site and serve it: make docs PORT=8000
	@$(BIN)/python -m docs.website.build --serve --port $(PORT)

docs-check: $(VENV)/.docs ## build the site only: every warning is an error, build/site/html is the result
	@$(BIN)/python -m docs.website.build

# Its stages, which of them run beside each other and why: tools/check.py.
test: $(VENV)/.test ## everything: format, rules, types, tests, conformance of all lanes
	@$(BIN)/python -m tools.check test $(ARGS)

test-pythons: $(VENV)/.test ## tests and one lane's conformance on each other Python that is found
	@$(BIN)/python -m tools.check pythons $(ARGS)

lint: $(VENV)/.test ## format, rules and types only
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

types-wheel: $(VENV)/.test ## type checkers know every public name that the wheel installs
	$(BIN)/python tools/verify_types.py

extras: $(VENV)/.test ## each extra in an environment of its own: it is enough, and its absence is told
	$(BIN)/python -m tools.extras

reproducible: $(VENV)/.test ## build twice in different surroundings, the same bytes: ARGS="FILE ..." compares published files
	$(BIN)/python -m tools.reproducible $(ARGS)

new-project: $(VENV)/.test ## what `anylane new` writes, from the wheel, and its container file by hand
	$(BIN)/python -m tools.new_project

fix: $(VENV)/.test ## what ruff can repair and format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

hooks: $(VENV)/.test ## let git check each commit: .pre-commit-config.yaml
	$(BIN)/pre-commit install

description: $(VENV)/.test ## schemathesis on the notes and an app of 34 routes: make description BACKEND=trio (or all)
	$(BIN)/python -m tools.description --backend $(BACKEND) $(ARGS)

conformance: $(VENV)/.test ## one lane's conformance: make conformance BACKEND=curio (or pkg:Class, all)
	$(BIN)/anylane-conformance --backend $(BACKEND)

conformance-asgi: $(VENV)/.test ## the conformance under four ASGI servers, for docs/neighbours.md; ARGS=asgi-uvicorn names one
	$(BIN)/python -m tests.neighbours.interop $(ARGS)
	$(BIN)/python docs/tools/interop.py

proxies: $(VENV)/.test ## POSTs and losses behind nginx, HAProxy and Caddy; ARGS="curio uvloop" names the lanes
	$(BIN)/python -m tests.proxies.figures $(ARGS)

pyodide: $(VENV)/.test ## the core's tests on CPython 3.14 in WebAssembly: some minutes; ARGS="tests/http -x" for some of them
	$(BIN)/python -m tools.pyodide $(ARGS)

autobahn: $(VENV)/.test ## the 517 WebSocket cases of Autobahn: make autobahn BACKEND=trio (or all)
	$(BIN)/python -m anylane_conformance.autobahn --backend $(BACKEND)

autobahn-classic: $(VENV)/.test ## the same by the original suite: make autobahn-classic PYTHON2=python2.7
	@test -d $(CLASSIC) || $(PYTHON2) -m pip install --quiet --disable-pip-version-check \
		--target $(CLASSIC) autobahntestsuite==0.8.2
	$(BIN)/python -m anylane_conformance.autobahn --classic $(PYTHON2) $(CLASSIC) \
		--backend $(BACKEND)

deep: $(VENV)/.test ## the property tests at length: some 50 times as many examples
	HYPOTHESIS_PROFILE=deep $(BIN)/pytest -m hypothesis -o faulthandler_timeout=3600 $(ARGS)

coverage: $(VENV)/.test ## what tests, examples and conformance reach of core and backends: the floor
	$(BIN)/coverage erase
	$(BIN)/python -m tools.check coverage $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

equality: $(PEERS)/.ready ## the same requests to FastAPI and Litestar: docs/typed-equality.md; ARGS=--check
	$(PEERS)/bin/python -m tests.equality $(ARGS)

attacks: $(VENV)/.test ## hostile clients against a lane: make attacks BACKEND=trio (or all): minutes, figures
	$(BIN)/python benchmarks/attacks.py --backend $(BACKEND) $(ARGS)

losses: $(VENV)/.test ## what clients lose while workers are killed, hang or are replaced: a minute
	$(BIN)/python benchmarks/losses.py --json benchmarks/results/losses.json $(ARGS)
	$(BIN)/python docs/tools/workers.py

spread: $(VENV)/.test ## how evenly connections are spread over workers, on all lanes: some minutes
	$(BIN)/python benchmarks/spread.py --json benchmarks/results/spread.json $(ARGS)
	$(BIN)/python docs/tools/workers.py

interpreters: $(VENV)/.test ## two interpreters beside one and beside processes, in the environment of `make test-pythons`: a minute
	$(PYTHON313) benchmarks/interpreters.py --json benchmarks/results/interpreters.json $(ARGS)
	$(BIN)/python docs/tools/workers.py

fanout: $(VENV)/.demo ## 2,000 WebSockets in one room, 10,000 quiet ones: some minutes, figures
	$(BIN)/python benchmarks/fanout.py
	$(BIN)/python benchmarks/quiet.py

bench-bridges: $(VENV)/.demo ## bridges: latency, messages a second, a broker's restart, on each lane: some 2 minutes
	$(BIN)/python benchmarks/bridges.py --page docs/scaling.md $(ARGS)

bench: $(BENCH)/.ready ## anylane beside its peers, the most important works: some 12 minutes, and wrk
	$(BENCH)/bin/python benchmarks/bench.py quick $(ARGS)

bench-full: $(BENCH)/.ready ## all works and all peers: some hours
	$(BENCH)/bin/python benchmarks/bench.py full $(ARGS)

bench-scaling: $(BENCH)/.ready ## cost against routes, middleware, headers, body, idle connections
	$(BENCH)/bin/python benchmarks/bench.py quick --only scaling --name scaling $(ARGS)
	$(BENCH)/bin/python benchmarks/report.py

bench-parts: $(BENCH)/.ready ## 0, 3 and 10 ready-made parts beside Starlette's and Litestar's: some 6 minutes
	$(BENCH)/bin/python benchmarks/bench.py parts --only works --name parts $(ARGS)
	$(BENCH)/bin/python benchmarks/report.py

bench-typed: $(BENCH)/.ready ## typed handlers beside FastAPI's, Litestar's and BlackSheep's: some 5 minutes
	$(BENCH)/bin/python benchmarks/bench.py typed --only works --name typed $(ARGS)
	$(BENCH)/bin/python benchmarks/report.py

bench-core: $(BENCH)/.ready ## the core without I/O, in instructions, beside the saved ones; needs valgrind
	$(BENCH)/bin/python benchmarks/core.py --instructions --check $(ARGS)

bench-report: $(BENCH)/.ready ## draw benchmarks/REPORT.md and docs/performance.md again
	$(BENCH)/bin/python benchmarks/report.py

tox: $(VENV)/.tox ## every Python found x every lane, from wheels (CONTRIBUTING.md)
	$(BIN)/tox run

# From a folder without the sources, so that the wheel is what is tried.
dist: $(VENV)/.dist ## build the distributions, check them, try the wheel: docs/releasing.md
	rm -rf dist $(FRESH)
	$(BIN)/python -m build --quiet
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m venv $(FRESH)
	$(FRESH)/bin/python -m pip install --quiet "$$(echo dist/*.whl)[all,conformance]"
	cd $(FRESH) && bin/anylane --version && bin/anylane backends && \
		bin/anylane-conformance --backend threads -q

lines: $(VENV)/.test ## bring what the docs draw from the code up to date
	for tool in lines diagrams configuration examples limits hooks capabilities smuggling transport workers module_map transcripts \
			proxies supported_versions deployment security hosts interop; do \
		$(BIN)/python docs/tools/$$tool.py || exit; \
	done

clean: ## remove environments, caches and build results
	rm -rf $(VENV) $(VENV)-3.* $(BENCH) $(FRESH) $(PEERS) .tox build dist htmlcov .coverage .coverage.* \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made anew whenever pyproject.toml changes; each wish adds what it needs.

$(VENV)/.base: pyproject.toml
	@for python in $${PYTHON:-python3 python3.13 python3.12 python3.11}; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then \
			echo "error: $$python has no venv module: on Debian and Ubuntu install python3-venv" >&2; \
			exit 1; \
		fi; \
		echo "making $(VENV) with $$("$$python" --version)"; \
		"$$python" -m venv --clear $(VENV) && touch $@; exit; \
	done; \
	echo "error: anylane needs Python 3.11 or later;" \
		"$${PYTHON:-python3} is $$("$${PYTHON:-python3}" --version 2>/dev/null || echo missing)." \
		"Install one, or name it: make PYTHON=/path/to/python3.12" >&2; \
	exit 1
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.demo: $(VENV)/.base
	@echo "installing into $(VENV): once, and it may take a minute or two"
	@$(BIN)/python -m pip install --quiet --editable '.[all]' --group demo
	@touch $@

$(VENV)/.docs: $(VENV)/.base
	@echo "installing into $(VENV): once, and it may take a minute or two"
	@$(BIN)/python -m pip install --quiet --editable '.[all]' --group site
	@touch $@

$(VENV)/.test: $(VENV)/.base
	@echo "installing into $(VENV): once, and it may take a minute or two"
	@$(BIN)/python -m pip install --quiet --editable '.[all,conformance,autobahn]' --group lint
	@touch $@

$(VENV)/.dist: $(VENV)/.base
	@$(BIN)/python -m pip install --quiet --group release
	@touch $@

$(VENV)/.tox: $(VENV)/.base
	@echo "installing into $(VENV): once, and it may take a minute or two"
	@$(BIN)/python -m pip install --quiet --group tox
	@touch $@

$(PEERS)/.ready: $(VENV)/.base
	@echo "installing anylane, FastAPI and Litestar into $(PEERS): once, and it may take a minute"
	@$(BIN)/python -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(PEERS)/bin/python -m pip install --quiet --editable . --group peers
	@touch $@

# Peers one by one: one that cannot be installed is reported, and the others are measured.
$(BENCH)/.ready: $(VENV)/.base benchmarks/peers.txt
	@command -v wrk taskset >/dev/null || \
		echo "warning: wrk or taskset is missing: on Debian and Ubuntu install wrk and util-linux" >&2
	@echo "installing anylane and its peers into $(BENCH): once, and it may take some minutes"
	@$(BIN)/python -m venv --clear $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet --upgrade pip
	@$(BENCH)/bin/python -m pip install --quiet --editable '.[all]' matplotlib psutil trustme
	@grep -v '^#' benchmarks/peers.txt | while read -r peer; do \
		$(BENCH)/bin/python -m pip install --quiet "$$peer" || echo "$$peer: not installed" >&2; \
	done
	@touch $@
