"""Ctrl-C as a request, even where it comes in the middle of a line."""

import io
import os
import signal

import pytest

from phi2chat.terminal.interrupts import noting_interrupts


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_ctrl_c_is_noted_and_the_second_one_interrupts() -> None:
    with pytest.raises(KeyboardInterrupt), noting_interrupts() as interrupt:
        assert not interrupt.requested
        press_ctrl_c()
        assert interrupt.requested
        press_ctrl_c()


def test_the_notice_is_on_stderr_at_the_first_ctrl_c(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), noting_interrupts("stopping 停止"):
        assert capfd.readouterr() == ("", "")
        press_ctrl_c()
        assert capfd.readouterr() == ("", "\nstopping 停止\n")
        press_ctrl_c()
    assert capfd.readouterr() == ("", "")


def test_without_a_notice_nothing_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    with noting_interrupts():
        press_ctrl_c()
    assert capfd.readouterr() == ("", "")


def test_a_stderr_that_is_closed_keeps_no_request_from_being_noted() -> None:
    kept = os.dup(2)
    os.close(2)
    try:
        with noting_interrupts("stopping") as interrupt:
            press_ctrl_c()
        assert interrupt.requested
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def test_afterwards_ctrl_c_is_as_it_was() -> None:
    with noting_interrupts():
        pass
    with pytest.raises(KeyboardInterrupt):
        press_ctrl_c()


@pytest.mark.parametrize("terminate", [False, True])
def test_a_request_to_terminate_counts_where_it_is_asked_for(terminate: bool) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with noting_interrupts(terminate=terminate) as interrupt:
            os.kill(os.getpid(), signal.SIGTERM)
            assert interrupt.requested is terminate
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


class PressingStderr(io.RawIOBase):
    """Where Ctrl-C is pressed while a line is being written; what is written goes to file descriptor 2."""

    def __init__(self) -> None:
        self.pressed = False

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:
        if not self.pressed:
            self.pressed = True
            press_ctrl_c()
        return os.write(2, content)


def test_a_ctrl_c_in_the_middle_of_a_write_counts_and_breaks_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    # A print from the handler would be a "reentrant call" of the buffer that is being written.
    stream = io.TextIOWrapper(io.BufferedWriter(PressingStderr()), line_buffering=True)
    with noting_interrupts("stopping") as interrupt:
        print("step 1", file=stream)
        print("step 2", file=stream)
    assert interrupt.requested
    assert capfd.readouterr().err == "\nstopping\nstep 1\nstep 2\n"
