# `make demo` and `make test` need nothing but Python with pip; each makes its own environment.
PYTHON ?= python3
SOURCES := pyproject.toml README.md $(shell find langchain_gemini_qdrant -name '*.py')
DEMO := .venv-demo
TEST := .venv-test
LOWEST := .venv-lowest
DOCS := .venv-docs
EXAMPLES := .venv-examples
# What is tested: this folder, from which pip builds a wheel, or a wheel that is built already.
PACKAGE := .
EXTRAS := cli,dataframe,google-generativeai,plot,testing
PIP := -m pip --disable-pip-version-check --quiet

.PHONY: all demo test format lint unit_tests integration_tests lowest examples docs compat compat-clients bench-embeddings bench-store bench-edge bench-ingest bench-recall bench-search bench-newcomer compare clean

all: format test

demo: $(DEMO)/.installed
	$(DEMO)/bin/gemini-qdrant demo

test: lint unit_tests integration_tests lowest

format: $(TEST)/.installed
	$(TEST)/bin/ruff format .
	$(TEST)/bin/ruff check --fix .

lint: $(TEST)/.installed
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/ruff check .
	$(TEST)/bin/mypy
	$(TEST)/bin/lint-imports

unit_tests: $(TEST)/.installed
	$(TEST)/bin/pytest tests/unit_tests

integration_tests: $(TEST)/.installed
	$(TEST)/bin/pytest tests/integration_tests

# The same tests with the oldest dependencies that pyproject.toml allows, google-genai 2 among them.
lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/pytest

# Each example as its first lines say, with the packages that only the examples need.
examples: $(EXAMPLES)/.installed
	$(EXAMPLES)/bin/pytest tests/integration_tests/test_examples.py

# The pages as a site, in site/; a warning is an error. Writes docs/cli.md from `--help` first.
docs: $(DOCS)/.installed
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

# langchain-qdrant's own tests against our class; downloads its sdist. See docs/compatibility.md.
compat: $(TEST)/.installed
	$(TEST)/bin/python tests/compat/run.py

# The emulator asked by google-genai 2 and 3, google-generativeai and langchain-google-genai.
compat-clients:
	$(PYTHON) tests/compat/clients.py

$(DEMO)/.installed: $(SOURCES)
	test -d $(DEMO) || $(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python $(PIP) install '.[cli]'
	touch $@

# Of langchain-community the tests need what SelfQueryRetriever asks Qdrant with, of langchain-cli the
# template of a vector store's page. What else those need would bring aiohttp, over which google-genai
# sends in another way. langchain-community 0.4.2 lacks a class that langchain-classic looks for.
ALONE := 'langchain-community>=0.4.1,!=0.4.2,<0.5' 'langchain-cli>=0.0.37'

# The built wheel is installed, not the checkout, so that the tests see what users get.
$(TEST)/.installed: $(SOURCES)
	test -d $(TEST) || $(PYTHON) -m venv $(TEST)
	$(TEST)/bin/python $(PIP) install --upgrade 'pip>=25.1'
	$(TEST)/bin/python $(PIP) install --group test --group lint '$(PACKAGE)[$(EXTRAS)]'
	$(TEST)/bin/python $(PIP) install --no-deps $(ALONE)
	touch $@

$(LOWEST)/.installed: $(SOURCES) tests/lowest.txt
	test -d $(LOWEST) || $(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python $(PIP) install --upgrade 'pip>=25.1'
	$(LOWEST)/bin/python $(PIP) install --group test '$(PACKAGE)[$(EXTRAS)]' --constraint tests/lowest.txt
	touch $@

$(EXAMPLES)/.installed: $(SOURCES)
	test -d $(EXAMPLES) || $(PYTHON) -m venv $(EXAMPLES)
	$(EXAMPLES)/bin/python $(PIP) install --upgrade 'pip>=25.1'
	$(EXAMPLES)/bin/python $(PIP) install --group test --group examples '$(PACKAGE)[$(EXTRAS)]'
	touch $@

$(DOCS)/.installed: $(SOURCES)
	test -d $(DOCS) || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python $(PIP) install --upgrade 'pip>=25.1'
	$(DOCS)/bin/python $(PIP) install --group docs '.[cli]'
	touch $@

# Half an hour; BENCH=--quick for a few minutes. Makes two environments of its own.
bench-embeddings:
	$(PYTHON) benchmarks/embeddings.py $(BENCH)

# Five minutes; BENCH=--quick for one.
bench-store: $(TEST)/.installed
	$(TEST)/bin/python benchmarks/store.py $(BENCH)

# A quarter of an hour; BENCH=--quick for two minutes.
bench-edge: $(TEST)/.installed
	$(TEST)/bin/python benchmarks/edge.py $(BENCH)

# Twelve minutes; BENCH=--quick for two. In the environments of bench-embeddings.
bench-ingest:
	$(PYTHON) benchmarks/ingest.py $(BENCH)

# Twenty minutes; BENCH=--quick for one. BENCH='--vectors FILE' adds embeddings of your own.
bench-recall: $(TEST)/.installed
	$(TEST)/bin/python benchmarks/recall.py $(BENCH)

# Twenty minutes; BENCH=--quick for one minute.
bench-search: $(TEST)/.installed
	$(TEST)/bin/python benchmarks/search.py $(BENCH)

# A minute or two, most of it for pip. BENCH=--no-cache downloads every package.
bench-newcomer:
	$(PYTHON) benchmarks/newcomer.py $(BENCH)

# Two minutes. Makes two environments of its own; BENCH=--write writes docs/why.md, BENCH='--only E5 S4'
# tries some of it. Linux and macOS.
compare:
	$(PYTHON) benchmarks/compare.py $(BENCH)

clean:
	rm -rf $(DEMO) $(TEST) $(LOWEST) $(DOCS) $(EXAMPLES) .venv-bench-ours .venv-bench-peer .venv-compare-ours .venv-compare-theirs demo-index dist build site
