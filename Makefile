# Everything works from a fresh clone with nothing but Python 3.11 or later: `make run`, `make test`.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
PACKAGES := config core accounts catalog inventory orders notifications
# Arguments for pytest, as in: make test ARGS="-k checkout"
ARGS ?=
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help run test ci lint fmt types arch check migrations spelling seed bench bench-overload mutants clean lock install install-dev

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: install ## Run the whole shop on PORT (8000) until Ctrl-C
	@PORT=$(PORT) exec $(BIN)/python manage.py up --tethered

test: install-dev ## Run all tests in parallel, on servers of their own
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -q $(ARGS)

ci: test lint types arch check migrations spelling ## Run all that a change has to pass

lint: install-dev ## Look for mistakes and for lines that are not formatted
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

fmt: install-dev ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: install-dev ## Check the types
	@$(BIN)/mypy $(PACKAGES) manage.py

arch: install-dev ## Check which package imports which
	@$(BIN)/lint-imports --no-cache

# Values that only have to look real: the check reads settings and connects nowhere.
check: install ## Check the production settings
	@DJANGO_SETTINGS_MODULE=config.settings.production \
	SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))')" \
	ALLOWED_HOSTS=shop.example.com SHOP_URL=https://shop.example.com DEFAULT_FROM_EMAIL=shop@example.com \
	FIELD_ENCRYPTION_KEYS="check:$$($(BIN)/python -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())')" \
	DATABASE_URL=postgresql://shop@db.example.com/shop REDIS_URL=redis://cache.example.com/0 \
	$(BIN)/python manage.py check --deploy --fail-level WARNING

migrations: install ## Check that every change of a model has its migration
	@$(BIN)/python manage.py makemigrations --check --dry-run

spelling: install-dev ## Check the spelling
	@$(BIN)/codespell

seed: install ## Fill the shop with the demo's goods, people and orders
	@$(BIN)/python manage.py seed

bench: install-dev ## Measure the production processes under load
	@$(BIN)/python -m benchmarks.shop

bench-overload: install-dev ## Send ten times what the shop can do, and look who is served
	@$(BIN)/python -m benchmarks.overload --plot docs/images/overload.svg

mutants: install-dev ## Change the protections' code in small ways; see that tests notice
	@$(BIN)/python -m benchmarks.mutants $(ARGS)

clean: ## Remove all that make made: .venv, caches, and var/ with the shop's data
	@$(PYTHON) -m config.install --clean

lock: install-dev ## Renew requirements*.txt from requirements*.in
	@for name in requirements requirements-dev; do \
	  $(BIN)/uv pip compile --system-certs --universal --python-version 3.11 --generate-hashes \
	    --no-emit-find-links --quiet --upgrade -o $$name.txt $$name.in || exit 1; \
	done

install:
	@$(PYTHON) -m config.install

install-dev:
	@$(PYTHON) -m config.install --dev
