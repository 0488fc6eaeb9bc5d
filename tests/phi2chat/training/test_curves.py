"""The loss curve in the terminal shows every point, the first and highest too."""

from phi2chat.training.curves import draw_losses


def test_every_eval_loss_is_in_the_curve_and_none_is_under_the_legend() -> None:
    drawn = draw_losses([(1, 2.0), (20, 1.2), (40, 1.0)], [(0, 2.1), (20, 1.5), (40, 1.4)], width=60)
    legend, *curve = drawn.splitlines()
    assert "train loss" in legend and "● eval loss" in legend
    assert "".join(curve).count("●") == 3
    assert "●" in next(line for line in curve if line.startswith("2.1"))


def test_a_run_of_evaluations_alone_names_no_train_loss() -> None:
    assert "train loss" not in draw_losses([], [(0, 2.1)], width=40)


def test_the_curve_is_as_wide_as_it_is_told_to_be() -> None:
    drawn = draw_losses([(1, 2.0), (2, 1.9)], [(0, 2.1)], width=36)
    assert max(len(line) for line in drawn.splitlines()) == 36
    assert "\x1b" not in drawn
