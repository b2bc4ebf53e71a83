# `make demo` and `make test` need nothing but Python with pip; each makes its own environment.
# `make test` takes some six minutes on two cores, `make test_all` twenty.
PYTHON ?= python3
SOURCES := pyproject.toml README.md $(shell find langchain_gemini_qdrant -name '*.py')
DEMO := .venv-demo
TEST := .venv-test
LOWEST := .venv-lowest
DOCS := .venv-docs
EXAMPLES := .venv-examples
# What is tested: this folder, from which pip builds a wheel, or a wheel that is built already.
PACKAGE := .
EXTRAS := cli,dataframe,files,grpc,mcp,plot,testing
PIP := -m pip --disable-pip-version-check --quiet
WORKERS := auto # processes that share the tests; one for each core
PYTEST = bin/pytest --numprocesses=$(strip $(WORKERS)) --dist=worksteal
# What the versions of other packages can break; the rest does not meet them, or through these.
# All embeddings are here because `make test` is without google-generativeai.
VERSIONED := cli cli_collections cli_errors cli_ingest cli_recall cli_search cli_stored docs \
  edge_congruence edge_storage embeddings_* emulator_* error_pools event_loops examples first_use \
  google_generativeai_rest langchain_contract langchain_indexing langchain_retrievers \
  local_mode_folders mcp_* moving_page pytest_plugin qdrant_server server_wire telemetry_* \
  vcr_config vectorstores_standard vertex_backend
# What meets a Qdrant server.
SERVED := collections_of_others docs edge_formulas edge_groups edge_programs event_loops groups hybrid \
  ingestion ingestion_cleanup ingestion_failures langchain_community langchain_contract \
  langchain_indexing langchain_retrievers local_mode_folders mcp_tools migration qdrant_retries \
  qdrant_server quantization recall reembed_reuse reembedding scores score_settings self_query server_wire \
  store_connections store_promises vectorstores vectorstores_standard

.PHONY: all demo test test_all test_rest format lint quick_tests slow_tests server_tests lowest examples notebook screenshots docs compat compat-clients compat-programs moving bench-embeddings bench-store bench-edge bench-ingest bench-media bench-recall bench-search bench-shrink bench-newcomer bench-tracing house compare clean

all: format test

demo: $(DEMO)/.installed
	$(DEMO)/bin/gemini-qdrant demo

# What a change needs: lint beside the tests that are not marked `slow`, with the newest dependencies.
test: $(TEST)/.installed
	$(MAKE) --no-print-directory --jobs=2 lint quick_tests

test_all:
	$(MAKE) test
	$(MAKE) test_rest

# What `make test` leaves out: all engines, kills, forks, every generated case, examples, the site, the
# wheel, the oldest dependencies.
test_rest: docs examples lowest slow_tests

format: $(TEST)/.installed
	$(TEST)/bin/ruff format .
	$(TEST)/bin/ruff check --fix .

lint: $(TEST)/.installed
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/ruff check .
	$(TEST)/bin/mypy
	$(TEST)/bin/lint-imports

quick_tests: $(TEST)/.installed
	$(TEST)/$(PYTEST) -m 'not slow'

slow_tests: $(TEST)/.installed
	$(TEST)/$(PYTEST) -m 'slow or hypothesis' --hypothesis-profile=full

# The tests that meet a Qdrant server, against a real one, one node or a cluster:
#   make server_tests QDRANT_URL=http://127.0.0.1:6333
# gRPC is port 6334 of the same host, or QDRANT_GRPC_URL; QDRANT_API_KEY is the server's key. Only the
# collections that the tests made are deleted.
server_tests: $(TEST)/.installed
	@test -n "$$QDRANT_URL" || { echo 'QDRANT_URL is missing: the address of a Qdrant server'; exit 2; }
	$(TEST)/$(PYTEST) $(SERVED:%=tests/integration_tests/test_%.py)

# With the oldest dependencies that pyproject.toml allows, google-genai 2 among them, and with
# google-generativeai, which does not fit the newest ones.
lowest: $(LOWEST)/.installed
	$(LOWEST)/$(PYTEST) tests/unit_tests $(VERSIONED:%=tests/integration_tests/test_%.py)

# Each example as its first lines say, the tutorials, and LangGraph's store with its page, with the
# packages that only they need.
examples: $(EXAMPLES)/.installed
	$(EXAMPLES)/$(PYTEST) $(addprefix tests/integration_tests/,test_examples.py test_langgraph_store.py \
	  test_media_search.py \
	  test_progress_bar.py::test_a_saved_notebook_keeps_the_last_state_of_a_widget_as_text \
	  test_docs.py::test_a_tutorial_runs_from_top_to_bottom \
	  'test_docs.py::test_python_blocks_run_in_order_and_print_what_the_page_says[memory.md]')

# examples/notebook.ipynb with its outputs, as GitHub shows it, from the emulator.
notebook: $(EXAMPLES)/.installed
	env -u GOOGLE_API_KEY -u GEMINI_API_KEY $(EXAMPLES)/bin/python tests/notebook.py

# The pictures of examples/media_search in docs/screenshots, with the Chromium or Chrome of this machine.
screenshots: $(EXAMPLES)/.installed
	$(EXAMPLES)/bin/python tests/media_search.py

# The pages as a site, in site/; a warning is an error. Writes docs/cli.md from `--help` first.
docs: $(DOCS)/.installed
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

# langchain-qdrant's own tests against our class; downloads its sdist. See docs/compatibility.md.
compat: $(TEST)/.installed
	$(TEST)/bin/python tests/compat/run.py

# The emulator asked by google-genai 2 and 3, Google's generated gRPC client, google-generativeai and
# langchain-google-genai.
compat-clients:
	$(PYTHON) tests/compat/clients.py

# Other programs over qdrant-client on EdgeClient: LangGraph's store, LlamaIndex, mem0 and others. Makes an
# environment for each, 5 GB in all; ten minutes. COMPAT=--write writes docs/programs.md,
# COMPAT='--only mem0_memory' tries some of it. Not in CI.
compat-programs:
	$(PYTHON) tests/compat/programs.py $(COMPAT)

# An application with the newest langchain-google-genai and langchain-qdrant, moved here as
# docs/moving.md says, and back. Makes two environments of its own; two minutes.
moving:
	$(PYTHON) tests/moving/run.py

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
	$(LOWEST)/bin/python $(PIP) install --group test '$(PACKAGE)[$(EXTRAS),google-generativeai]' \
	  --constraint tests/lowest.txt
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

# Half an hour; BENCH=--quick for two minutes. Makes three environments of its own.
bench-embeddings:
	$(PYTHON) benchmarks/embeddings.py $(BENCH)

# Five minutes; BENCH=--quick for one.
bench-store: $(TEST)/.installed
	$(TEST)/bin/python benchmarks/store.py $(BENCH)

# A quarter of an hour; BENCH=--quick for two minutes.
bench-edge: $(TEST)/.installed
	$(TEST)/bin/python benchmarks/edge.py $(BENCH)

# A quarter of an hour; BENCH=--quick for two minutes. In the environments of bench-embeddings.
bench-ingest:
	$(PYTHON) benchmarks/ingest.py $(BENCH)

# Five minutes; BENCH='--scale 0.1' for one.
bench-media: $(TEST)/.installed
	$(TEST)/bin/python benchmarks/media.py $(BENCH)

# Twenty minutes; BENCH=--quick for one. BENCH='--vectors FILE' adds embeddings of your own.
bench-recall: $(TEST)/.installed
	$(TEST)/bin/python benchmarks/recall.py $(BENCH)

# Twenty minutes; BENCH=--quick for one minute.
bench-search: $(TEST)/.installed
	$(TEST)/bin/python benchmarks/search.py $(BENCH)

# A minute or two.
bench-shrink: $(TEST)/.installed
	$(TEST)/bin/python benchmarks/shrink.py $(BENCH)

# A minute or two, most of it for pip. BENCH=--no-cache downloads every package.
bench-newcomer:
	$(PYTHON) benchmarks/newcomer.py $(BENCH)

# Half a minute: what spans of OpenTelemetry cost.
bench-tracing: $(TEST)/.installed
	$(TEST)/bin/python benchmarks/tracing.py $(BENCH)

# Counts, no times: files, import layers, and the calls that everyday operations make.
house: $(TEST)/.installed
	$(TEST)/bin/python benchmarks/house.py $(BENCH)

# Two minutes. Makes two environments of its own; BENCH=--write writes docs/why.md, BENCH='--only E5 S4'
# tries some of it. Linux and macOS.
compare:
	$(PYTHON) benchmarks/compare.py $(BENCH)

clean:
	rm -rf $(DEMO) $(TEST) $(LOWEST) $(DOCS) $(EXAMPLES) .venv-bench-ours .venv-bench-peer .venv-bench-sdk \
	  .venv-compare-ours .venv-compare-theirs .venv-compat-* .venv-moving-ours .venv-moving-theirs demo-index dist build site
