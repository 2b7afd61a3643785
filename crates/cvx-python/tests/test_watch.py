"""Callbacks, signals, threads, processes."""

import multiprocessing
import os
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cvx_relu import ConvexReLUClassifier, ConvexReLURegressor, InterruptedWarning


class SignalError(Exception):
    """Raised by a handler."""


def send_later(seconds, number=signal.SIGINT):
    timer = threading.Timer(seconds, os.kill, (os.getpid(), number))
    timer.start()
    return timer


def test_a_callback_sees_every_iteration_in_its_own_thread(moons):
    seen, threads = [], set()

    def look(record):
        seen.append(record)
        threads.add(threading.get_ident())

    network = ConvexReLUClassifier(beta_fraction=0.001).fit(*moons, callback=look)
    assert threads == {threading.get_ident()}
    assert [record["iteration"] for record in seen] == list(range(1, network.n_iter_ + 1))
    assert list(seen[0]) == list(network.history_)
    assert seen[0]["network"] == network.history_["network"][0]
    plain = ConvexReLUClassifier(beta_fraction=0.001).fit(*moons)
    np.testing.assert_array_equal(plain.w1_, network.w1_)


def test_a_callback_ends_the_run_without_a_warning(endless):
    X, y, parameters = endless
    network = ConvexReLURegressor(**parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.fit(X, y, callback=lambda record: record["iteration"] == 7)
    assert (network.status_, network.n_iter_) == ("Interrupted", 7)
    assert network.certificate_.network < 0.5 * np.sum(y**2)
    assert network.verify(X, y).network_agrees


def test_what_a_callback_raises_is_raised_and_the_network_kept(endless):
    X, y, parameters = endless
    network = ConvexReLURegressor(**parameters)

    def fail(record):
        if record["iteration"] == 3:
            raise ZeroDivisionError("in the callback")

    with pytest.raises(ZeroDivisionError, match="in the callback") as caught:
        network.fit(X, y, callback=fail)
    assert any(entry.name == "fail" for entry in caught.traceback)
    assert (network.status_, network.n_iter_) == ("Interrupted", 3)
    assert network.score(X, y) > 0


@pytest.mark.parametrize("callback", [None, lambda record: False])
def test_an_interrupt_ends_the_run_and_keeps_the_network(endless, callback):
    X, y, parameters = endless
    network = ConvexReLURegressor(**parameters)
    timer, start = send_later(1.0), time.monotonic()
    with pytest.warns(InterruptedWarning, match="the best network so far was kept, with a relative gap of"):
        assert network.fit(X, y, callback=callback) is network
    timer.join()
    assert time.monotonic() - start < 30
    assert network.status_ == "Interrupted"
    assert 0 < network.n_iter_ < 20_000
    assert network.score(X, y) > 0


def test_an_interrupt_of_the_choice_keeps_the_network(endless):
    X, y, parameters = endless
    # Every beta takes minutes.
    network = ConvexReLURegressor(**{**parameters, "beta_fraction": None, "activation": "relu", "folds": 2})
    timer, start = send_later(2.0), time.monotonic()
    with pytest.warns(InterruptedWarning, match="the best network so far was kept"):
        network.fit(X, y)
    timer.join()
    assert time.monotonic() - start < 30
    assert network.status_ == "Interrupted"
    assert np.isfinite(network.predict(X)).all()
    assert network.verify(X, y).network_agrees


def test_an_interrupt_between_betas_keeps_probabilities(moons):
    network = ConvexReLUClassifier(patterns=20, folds=3, ensemble=1)
    iterations = []
    network.fit(*moons, callback=iterations.append)
    late = len(iterations) // 2

    def interrupt(record):
        iterations.append(record)
        if len(iterations) == late:
            signal.raise_signal(signal.SIGINT)

    iterations.clear()
    with pytest.warns(InterruptedWarning):
        network.fit(*moons, callback=interrupt)
    assert network.status_ == "Interrupted"
    assert 0 < len(network.points_["beta"]) < 20
    assert network.score(*moons) > 0.8
    np.testing.assert_allclose(network.predict_proba(moons[0]).sum(axis=1), 1)


def test_an_interrupt_can_be_made_an_error(endless):
    X, y, parameters = endless
    timer = send_later(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error", InterruptedWarning)
        with pytest.raises(InterruptedWarning):
            ConvexReLURegressor(**parameters).fit(X, y)
    timer.join()


def test_an_interrupt_within_a_callback_is_an_interrupt(endless):
    X, y, parameters = endless
    network = ConvexReLURegressor(**parameters)
    with pytest.warns(InterruptedWarning):
        network.fit(X, y, callback=lambda record: record["iteration"] == 2 and signal.raise_signal(signal.SIGINT))
    assert (network.status_, network.n_iter_) == ("Interrupted", 2)


def test_what_a_handler_raises_is_raised(endless):
    X, y, parameters = endless

    def handler(number, frame):
        raise SignalError

    before = signal.signal(signal.SIGUSR1, handler)
    network, timer = ConvexReLURegressor(**parameters), send_later(0.5, signal.SIGUSR1)
    try:
        with pytest.raises(SignalError):
            network.fit(X, y)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert network.status_ == "Interrupted"


def test_other_threads_run_meanwhile(endless):
    X, y, parameters = endless
    done, counted = threading.Event(), 0

    def count():
        nonlocal counted
        while not done.wait(0.001):
            counted += 1

    thread = threading.Thread(target=count)
    thread.start()
    with pytest.warns(UserWarning, match="TimeLimit"):
        ConvexReLURegressor(**parameters, time_limit=1.0).fit(X, y)
    done.set()
    thread.join()
    assert counted > 50


def test_fits_in_threads_are_those_of_one(moons):
    expected = ConvexReLUClassifier(threads=1, beta_fraction=0.001).fit(*moons).w1_
    with ThreadPoolExecutor(4) as pool:
        fitted = list(pool.map(lambda _: ConvexReLUClassifier(threads=1, beta_fraction=0.001).fit(*moons), range(8)))
    for network in fitted:
        np.testing.assert_array_equal(network.w1_, expected)


def test_a_forked_process_predicts(moons):
    network = ConvexReLUClassifier(beta_fraction=0.001).fit(*moons)
    X = np.tile(moons[0], (100, 1))
    expected = network.predict(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside other threads
        pool = multiprocessing.get_context("fork").Pool(1)
    with pool:
        found = pool.apply_async(network.predict, (X,)).get(timeout=60)
    np.testing.assert_array_equal(found, expected)
