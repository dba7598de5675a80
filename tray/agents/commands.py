"""The commands that open a session of an agent other than OpenCode in a terminal."""

from __future__ import annotations

import re

from tray.core.servers import AgentKind

_JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def open_command(agent_kind: AgentKind, session_id: str, job: str) -> list[str]:
    """Return the command that attaches to a session in the background, or resumes one whose process has ended.

    `job` is the id of a session in the background, or "". Raises ValueError for other agents.
    """
    if agent_kind is AgentKind.CLAUDE:
        return ["claude", "attach", job] if _JOB.fullmatch(job) else ["claude", "--resume", session_id]
    if agent_kind is AgentKind.CODEX:
        return ["codex", "resume", session_id]
    if agent_kind is AgentKind.COPILOT:
        return ["copilot", f"--resume={session_id}"]
    if agent_kind is AgentKind.QWEN:
        return ["qwen", "--resume", session_id]
    if agent_kind is AgentKind.GEMINI:
        return ["gemini", "--resume", session_id]
    raise ValueError(agent_kind)
