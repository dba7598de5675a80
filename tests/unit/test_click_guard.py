import gc
import weakref

import pytest

from tray.core.answers import RequestKey
from tray.core.click_guard import SETTLE, ClickGuard
from tray.core.commands import Surface

AT = 1_790_000_000_000
ONE, OTHER = RequestKey("s", "per_1"), RequestKey("s", "per_2")


@pytest.mark.parametrize(
    ("first", "second", "later", "taken"),
    [
        (Surface.NOTIFICATION, Surface.NOTIFICATION, 450, False),  # the second click of a double click
        (Surface.NOTIFICATION, Surface.NOTIFICATION, SETTLE - 1, False),
        (Surface.NOTIFICATION, Surface.NOTIFICATION, SETTLE, True),
        (Surface.MENU, Surface.MENU, 450, False),
        (Surface.MENU, Surface.NOTIFICATION, 450, True),  # the pointer cannot be on both
        (Surface.COMMAND, Surface.COMMAND, 0, True),  # what is typed is meant
        (Surface.NOTIFICATION, Surface.NOTIFICATION, -3_600_000, True),  # the clock was set back
    ],
)
def test_another_request_is_answered_from_the_same_surface_only_after_a_second(first, second, later, taken):
    guard = ClickGuard()
    assert guard.may_answer(first, ONE, AT)
    assert guard.may_answer(second, OTHER, AT + later) is taken


def test_the_same_request_may_be_answered_again():
    guard = ClickGuard()
    assert guard.may_answer(Surface.MENU, ONE, AT)
    assert guard.may_answer(Surface.MENU, ONE, AT + 100)


def test_further_quick_clicks_answer_no_other_request():
    guard = ClickGuard()
    guard.may_answer(Surface.MENU, ONE, AT)
    assert not any(guard.may_answer(Surface.MENU, OTHER, AT + pause) for pause in range(400, 4_000, 400))
    assert guard.may_answer(Surface.MENU, OTHER, AT + 3_600 + SETTLE)


def test_a_double_click_on_the_icon_opens_one_session():
    guard = ClickGuard()
    assert guard.may_go(Surface.MENU, AT)
    assert not guard.may_go(Surface.MENU, AT + 300)
    assert guard.may_go(Surface.MENU, AT + 300 + SETTLE)
    assert guard.may_go(Surface.COMMAND, AT)
    assert guard.may_go(Surface.COMMAND, AT)


def test_each_device_of_the_page_has_a_pointer_of_its_own():
    guard = ClickGuard()
    assert guard.may_answer(Surface.PAGE, ONE, AT, "desk")
    assert guard.may_answer(Surface.PAGE, OTHER, AT + 100, "phone")
    assert not guard.may_answer(Surface.PAGE, OTHER, AT + 200, "desk")


class RequestId(str):
    """An ID that can be watched until nothing holds it."""

    __slots__ = ("__weakref__",)


def test_answers_of_devices_are_forgotten_after_the_pause():
    guard, request = ClickGuard(), RequestId("per_1")
    held = weakref.ref(request)
    guard.may_answer(Surface.PAGE, RequestKey("s", request), AT, "a phone that was used once")
    del request
    gc.collect()
    assert held() is not None
    guard.may_answer(Surface.PAGE, OTHER, AT + SETTLE, "desk")
    gc.collect()
    assert held() is None
