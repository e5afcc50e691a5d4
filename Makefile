# make demo   set up all that playing needs, then run the main job on sound made on the spot
# make test   set up all that training and the tests need, then lint, type-check and test
# make lint   the checks of `make test` that run nothing
# make clean  remove what these made
.PHONY: demo test lint clean
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO_OUT := demo-out
# What sounddevice and pedalboard link to and do not bring along.
LIBRARIES := libportaudio2 libatomic1
# A real audio server, real plugins to host, and a compiler for the watch on the audio thread
# and for a plugin that fails on demand.
FOR_TESTS := jackd2 zam-plugins gcc libc6-dev python3-dev

demo: $(VENV)/.player
	$(BIN)/afx-live --demo $(DEMO_OUT)

test: lint
	$(BIN)/python -m pytest --numprocesses 2

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) $(DEMO_OUT) build *.egg-info

# The stamps: made again when what they depend on changes, so that a second run starts at once.
$(VENV)/.player: pyproject.toml Makefile
	@scripts/make-venv $(VENV) $(LIBRARIES)
	@echo "installing the player into $(VENV); the first time takes a minute or two"
	@$(PIP) install -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml Makefile
	@scripts/make-venv $(VENV) $(LIBRARIES) $(FOR_TESTS)
	@echo "installing torch and the tests' tools into $(VENV); the first time takes some minutes"
	@$(PIP) install torch==2.13.0
	@$(PIP) install -e '.[train,dev,pesq]'
	@touch $@
