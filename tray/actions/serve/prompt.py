"""Send a prompt to a server and follow the turn to its end."""

from __future__ import annotations

import asyncio
import mimetypes
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from tray.actions.serve.turn import Turn, TurnCallbacks, TurnFollower, error_text, table
from tray.core.source_calls import CallError, CallErrorKind
from tray.opencode.api import Api, LockedError
from tray.opencode.event_stream import Json, subscribe

LOCKED = "the password is missing or wrong; add it under [[servers]] in the settings"


class PromptError(Exception):
    """The server did not accept the prompt; the message says why."""


async def send(
    api: Api,
    prompt: str,
    callbacks: TurnCallbacks,
    *,
    directory: str = "",
    files: Sequence[Path] = (),
    session: str = "",
) -> Turn:
    """Send a prompt to a session, or without one to a new session, and wait for the end of the turn.

    If cancelled, stop the turn. Raises PromptError.
    """
    turn, start = Turn(session), time.monotonic()
    try:
        async with subscribe(api) as events:
            follower = TurnFollower(turn, callbacks)
            try:
                turn.session = await prepare_session(api, directory, session)
                await start_turn(api, prompt, turn.session, directory=directory, files=files)
                await follower.follow(events)
            except BaseException:  # Ctrl-C, or the program that reads our output has ended
                if turn.session:
                    await asyncio.shield(_stop(api, turn.session, directory))
                turn.error = "stopped"
                raise
            await _add_totals(api, turn, directory)
    except LockedError:
        raise PromptError(LOCKED) from None
    except CallError as error:
        raise PromptError(str(error)) from error
    finally:
        turn.seconds = time.monotonic() - start
    return turn


async def prepare_session(api: Api, directory: str, session: str = "") -> str:
    """Create a session, or check that this one exists; return its ID. Raises PromptError.

    The check is needed because some versions of OpenCode accept a prompt for any ID.
    """
    try:
        if not session:
            created = table(await api.post("/session", directory, {})).get("id")
            if not created:
                raise PromptError("the server created no session")
            return str(created)
        found = table(await api.get(f"/session/{quote(session, safe='')}", directory)).get("id")
    except LockedError:
        raise PromptError(LOCKED) from None
    except CallError as error:
        unknown = error.kind is CallErrorKind.NOT_FOUND
        raise PromptError(f"unknown session {session!r}" if unknown else str(error)) from error
    if found != session:
        raise PromptError(f"unknown session {session!r}")
    return session


async def start_turn(api: Api, prompt: str, session: str, *, directory: str = "", files: Sequence[Path] = ()) -> None:
    """Start a turn in this session, without waiting for its end. Raises PromptError."""
    parts = [{"type": "text", "text": prompt}, *map(_file_part, files)]
    try:
        await api.post(f"/session/{session}/prompt_async", directory, {"parts": parts})
    except LockedError:
        raise PromptError(LOCKED) from None
    except CallError as error:
        raise PromptError(str(error)) from error


def _file_part(file: Path) -> Json:
    guessed = mimetypes.guess_type(file.name)[0] or ""
    mime = guessed if guessed.startswith("image/") or guessed == "application/pdf" else "text/plain"
    return {"type": "file", "mime": mime, "filename": file.name, "url": file.resolve().as_uri()}


async def _stop(api: Api, session: str, directory: str) -> None:
    try:
        await api.post(f"/session/{session}/abort", directory)
    except (CallError, LockedError):
        return  # the server has ended, and the turn with it


async def _add_totals(api: Api, turn: Turn, directory: str) -> None:
    """Add cost, tokens and outcome, as in the stored messages: an event may have been missed."""
    listed = await api.get(f"/session/{turn.session}/message", directory, limit=50)
    infos = [table(table(message).get("info")) for message in (listed if isinstance(listed, list) else ())]
    prompt = next((n for n in range(len(infos) - 1, -1, -1) if infos[n].get("role") == "user"), 0)
    answers = [info for info in infos[prompt:] if info.get("role") == "assistant"]
    for info in answers:
        turn.cost += info.get("cost") or 0
        turn.tokens += table(info.get("tokens")).get("output") or 0
    last = answers[-1] if answers else {}
    if last.get("error"):
        turn.error = error_text(table(last["error"]))
    elif last.get("finish") == "tool-calls" and not turn.error:
        turn.error = "stopped early because a permission was rejected"
    elif not answers and not turn.error:
        turn.error = "the agent gave no answer"
    turn.ok = not turn.error
