"""Ports that are free, and the same again."""

import socket
from pathlib import Path

from touchline.stack.ports import LOOPBACK, RANGE, answers, any_free_port, free_ports


def test_ports_are_the_same_on_the_next_start(tmp_path: Path) -> None:
    """Clients that were told an address find it again after a restart."""
    path = tmp_path / "ports.json"
    first = free_ports(path, ("a", "b"))
    assert first["a"] != first["b"]
    assert first["a"] in RANGE
    assert free_ports(path, ("a", "b")) == first


def test_a_port_that_was_taken_meanwhile_is_given_up(tmp_path: Path) -> None:
    """Another program's port is not fought for; the others stay."""
    path = tmp_path / "ports.json"
    first = free_ports(path, ("a", "b"))
    with socket.create_server((LOOPBACK, first["a"])):
        second = free_ports(path, ("a", "b"))
    assert second["a"] != first["a"]
    assert second["b"] == first["b"]


def test_a_port_answers_only_while_somebody_listens() -> None:
    """The question asked before a server counts as started."""
    port = any_free_port()
    assert not answers(port)
    with socket.create_server((LOOPBACK, port)):
        assert answers(port)
