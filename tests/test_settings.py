from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from sctabnet._settings import _Settings


@pytest.fixture
def logger():
    logger = logging.getLogger("sctabnet")
    handlers, level = list(logger.handlers), logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_verbosity_adds_one_handler_and_only_on_request(logger):
    settings = _Settings()
    before = len(logger.handlers)
    settings.verbosity = "info"
    settings.verbosity = "debug"
    assert len(logger.handlers) == before + 1
    assert logger.level == logging.DEBUG and settings.verbosity == "debug"
    assert "verbosity='debug'" in repr(settings)


def test_unknown_verbosity_is_named(logger):
    with pytest.raises(ValueError, match="verbosity must be one of.*'loud'"):
        _Settings().verbosity = "loud"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("device", "tpu", "settings.device must be 'auto'.*Found 'tpu'"),
        ("minibatch_size", 0, "must be a number of cells. Found 0"),
        ("progress_bar", "no", "must be True or False. Found 'no'"),
        ("progres_bar", False, "no setting 'progres_bar'. Did you mean 'progress_bar'"),
    ],
)
def test_what_is_no_setting_is_refused(name, value, message):
    settings = _Settings()
    before = repr(settings)
    with pytest.raises(ValueError, match=message):
        setattr(settings, name, value)
    assert repr(settings) == before


def test_settings_are_kept(tmp_path):
    settings = _Settings()
    settings.device, settings.minibatch_size = "cuda:1", 64
    settings.cache_dir = str(tmp_path)
    assert (settings.device, settings.minibatch_size) == ("cuda:1", 64)
    assert settings.cache_dir == tmp_path


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _Settings().cache_dir == tmp_path / "sctabnet"


def test_importing_prints_and_configures_nothing():
    code = (
        "import logging, sctabnet._settings;"
        "print(len(logging.getLogger().handlers),"
        " [type(h).__name__ for h in logging.getLogger('sctabnet').handlers])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0 ['NullHandler']" and done.stderr == ""
