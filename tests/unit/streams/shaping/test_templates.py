"""The template language: what each part of it means, and what is refused when it is written."""

from typing import Any

import pytest

from streams.errors import InvalidTrigger, ShapingFailed
from streams.shaping.shape import check_shaping
from tests.unit.streams.shaping.shaping import PAYLOAD, message, row, shaped, value


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Review {{ payload.repo }}", "Review acme/site"),
        ("no mark at all\n", "no mark at all\n"),
        ("{{ payload.repo }}\n", "acme/site\n"),
        ("{{ payload['a b'] }} {{ payload[payload.key] }}", "spaced acme/site"),
        ("{{ payload.items }}", "a member, and no method"),
        ("{{ payload.commits[0].id }} {{ payload.commits[-1].id }} {{ payload.commits[9].id }}", "c1 c3 "),
        ("{{ payload.nothing.at.all }}{{ payload.repo.nothing }}{{ payload.stars[0] }}", ""),
        ("{{ payload.assignee }}|{{ payload.draft }}|{{ payload.stars }}|{{ payload.ratio }}", "|false|3|0.5"),
        ("{{ payload.labels }} {{ payload.owner }}", '["bug","urgent"] {"name":"Bea","admin":true}'),
        ("{{ payload.commits[1].message }}", "say <hello>"),
        ("{{ payload.labels[1:] }}{{ payload.repo[:4] }}{{ payload.stars[1:] }}", '["urgent"]acme'),
        ("{{ event.source }}:{{ event.type }} {{ event.id }} {{ event.subject }}", "github:push e1 "),
        ("{{ trigger.name }} {{ trigger.id }} {{ trigger.agent_id }} {{ trigger.workspace }}", "pushes t1 reviewer default"),
        ("{{ lineage.root_event_id }} {{ lineage.trigger_chain }} {{ lineage.trigger_depth }}", 'e0 ["t0","t1"] 2'),
        ("{{ payload.repo ~ '@' ~ payload.stars }}", "acme/site@3"),
        (
            "{{ payload.stars + 1 }} {{ payload.stars * 2 - 1 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 1 / 4 }} {{ -payload.stars }}",
            "4 5 3 3 0.25 -3",
        ),
        ("{{ 'a' + payload.ref }}", "amain"),
        ("{{ 'draft' if payload.draft else 'ready' }}{{ 'x' if payload.draft }}", "ready"),
        ("{% if payload.draft %}a{% elif payload.stars > 2 %}b{% else %}c{% endif %}", "b"),
        ("{% if payload.title or payload.assignee or payload.nothing %}a{% else %}b{% endif %}", "b"),
        ("{% if payload.repo and not payload.draft %}a{% endif %}", "a"),
        ("{% for l in payload.labels %}{{ loop.index }}{{ l }}{% if not loop.last %},{% endif %}{% endfor %}", "1bug,2urgent"),
        ("{% for l in payload.nothing %}a{% else %}none{% endfor %}", "none"),
        ("{% for c in payload.commits if c.lines > 4 %}{{ c.id }}/{{ loop.length }} {% endfor %}", "c1/2 c3/2 "),
        ("{% for k, v in payload.owner | items %}{{ k }}={{ v }};{% endfor %}", "name=Bea;admin=true;"),
        ("{% set who = payload.owner.name %}{{ who }} {{ who }}", "Bea Bea"),
        ("{% set n = 0 %}{% for l in payload.labels %}{% set n = 9 %}{% endfor %}{{ n }}", "0"),
        ("{% for e in events %}{{ e.id }}{% endfor %}", "e1"),
        ("a {#- a comment -#} b{{- payload.ref -}} c", "abmainc"),
        ("{% raw %}{{ payload.repo }}{% endraw %}", "{{ payload.repo }}"),
    ],
)
def test_a_template_writes(template: str, text: str) -> None:
    """Each part of the language, as its documentation has it."""
    assert message(template) == text


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("payload.stars == 3", True),
        ("payload.stars == 3.0", True),
        ("payload.stars == '3'", False),
        ("payload.draft == false", True),
        ("payload.draft == 0", False),
        ("payload.labels == ['bug', 'urgent']", True),
        ("payload.nothing == none", True),
        ("payload.assignee == none", True),
        ("payload.nothing is defined", False),
        ("payload.assignee is defined", True),
        ("payload.assignee is none", True),
        ("payload.nothing is none", True),
        ("payload.stars is number and payload.repo is string and payload.owner is mapping", True),
        ("payload.labels is sequence and payload.draft is boolean and payload.nothing is undefined", True),
        ("payload.draft is number", False),
        ("2 < payload.stars <= 3", True),
        ("payload.stars < 'a'", False),
        ("payload.nothing < 3", False),
        ("payload.nothing > 3", False),
        ("'a' < 'b'", True),
        ("'bug' in payload.labels", True),
        ("'site' in payload.repo", True),
        ("'name' in payload.owner", True),
        ("'x' not in payload.nothing", True),
        ("3 in payload.repo", False),
        ("payload.ref in ['main', 'dev']", True),
    ],
)
def test_a_condition_coerces_nothing(condition: str, holds: bool) -> None:
    """A missing member or a wrong type is false, as in a filter, never an error."""
    assert message(f"{{% if {condition} %}}yes{{% endif %}}") == ("yes" if holds else "")


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("{{ payload.stars }}", 3),
        ("{{ payload.draft }}", False),
        ("{{ payload.assignee }}", None),
        ("{{ payload.owner }}", {"name": "Bea", "admin": True}),
        ("{{payload.labels|first}}", "bug"),
        ("{{ payload.stars > 1 }}", True),
        (" {{ payload.stars }}", " 3"),
        ("{{ payload.stars }}{{ payload.stars }}", "33"),
        ("{% if true %}{{ payload.stars }}{% endif %}", "3"),
        (
            {"n": "{{ payload.stars }}", "t": "n is {{ payload.stars }}", "x": [1, None, "{{ payload.labels }}"]},
            {"n": 3, "t": "n is 3", "x": [1, None, ["bug", "urgent"]]},
        ),
        (
            {"gone": "{{ payload.nothing }}", "null": "{{ payload.assignee }}", "t": "<{{ payload.nothing }}>"},
            {"null": None, "t": "<>"},
        ),
        (["{{ payload.nothing }}", 1], [None, 1]),
        ("{{ payload.nothing }}", None),
        ({"deep": {"er": ["{{ payload.commits[1].author }}"]}}, {"deep": {"er": [{"name": "cy"}]}}),
    ],
)
def test_an_expression_alone_keeps_its_type(template: Any, made: Any) -> None:
    """A text around it makes a text; what is missing is left out of an object, and null in a list."""
    assert value(template) == made


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ payloda.repo }}", "there is no payloda; there are event, events, lineage, payload, trigger"),
        ("{{ event.playload }}", "event has no playload; it has id, source"),
        ("{{ lineage.signature }}", "lineage has no signature"),
        ("{{ payload.repo", "line 1"),
        ("a\n{% if %}", "line 2"),
        ("{% for x in payload.labels %}", "line 1"),
        ("{{ payload | uper }}", "there is no filter uper; there are default"),
        (
            "{{ payload.repo | truncate }} {{ payload.repo | replace('a') }}",
            "missing a required argument: 'new'; the filter is replace(old, new)",
        ),
        ("{{ payload.labels | map('upper') }}", "the filter is map(*, attribute)"),
        ("{{ payload.n is odd }}", "is odd is not accepted"),
        ("{{ payload.get('x') }}", "call is not accepted"),
        ("{{ [payload.repo] }}", "a list may hold texts and numbers only"),
        ("{{ {'a': 1} }}", "dict is not accepted"),
        ("{{ payload.stars ** 2 }}", "pow is not accepted"),
        ("{{ payload.labels[::2] }}", "a slice has no step"),
        ("{{ '\\ud800' }}", "half a surrogate pair"),
        ("{{ '\\x00' }}", "NUL"),
        ("{{ 99999999999999999999 }}", "64 bits"),
        ("{% set event = 1 %}", "event stays what it is"),
        ("{% for loop in payload.labels %}{% endfor %}", "loop stays what it is"),
        ("{% set a.b = 1 %}", "a plain name"),
        ("{% include 'x' %}", "include is not accepted; {% if %}, {% for %} and {% set %} are"),
        ("{% macro f() %}{% endmacro %}", "macro is not accepted"),
        ("{% import 'x' as y %}", "import is not accepted"),
        ("{% extends 'x' %}", "extends is not accepted"),
        ("{% block x %}{% endblock %}", "block is not accepted"),
        ("{% filter upper %}a{% endfilter %}", "filterblock is not accepted"),
        ("{% do payload %}", "unknown tag 'do'"),
        ("{% for x in payload.labels recursive %}{% endfor %}", "not recursive"),
        ("{{ ''.__class__.__mro__ | attr('x') }}", "there is no filter attr"),
        ("{{ trigger.__class__ }}", "trigger has no __class__"),
        ("{{ self }}{{ range }}{{ cycler }}", "there is no self"),
    ],
)
def test_a_template_is_refused_when_it_is_written(template: str, reason: str) -> None:
    """With the path inside the row, the line, and what would be accepted."""
    with pytest.raises(InvalidTrigger) as refused:
        check_shaping(row(input_template={"a": [template + "x"]}))
    assert refused.value.path == "input_template.a.0"
    assert reason in refused.value.message


@pytest.mark.parametrize(
    "template",
    [
        "{{ payload.__class__ }}",
        "{{ ''.upper }}",
        "{{ payload['__init__'] }}",
        "{{ payload.labels.append }}",
        "{{ payload.keys }}",
    ],
)
def test_no_name_leads_to_anything_but_json(template: str) -> None:
    """Members are looked up in objects and lists only: there are no attributes to reach."""
    assert message(template) == ""


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ payload.stars + payload.repo }}", "+ takes two numbers, and found a number and a text"),
        ("{{ payload.nothing * 2 }}", "* takes two numbers, and found nothing and a number"),
        ("{{ payload.stars / 0 }}", "/ divides by zero"),
        ("{{ 'a' * 3 }}", "* takes two numbers"),
        ("{{ -payload.owner }}", "- takes a number, and found an object"),
        ("{% for x in payload.repo %}{% endfor %}", "for takes a list, and found a text"),
        ("{% for x in payload.owner %}{% endfor %}", "an object becomes one with | items"),
        ("{% for x, y in payload.labels %}{% endfor %}", "takes a list of pairs"),
        ("{{ payload.labels['a':] }}", "whole numbers"),
        ("{{ 9000000000000000000 + 9000000000000000000 }}", "64 bits"),
        ("{{ 1e308 * 10 }}", "64 bits"),
    ],
)
def test_what_cannot_be_evaluated_says_where_and_why(template: str, reason: str) -> None:
    """The author reads the reason beside the failed execution."""
    with pytest.raises(ShapingFailed) as failed:
        shaped(payload_transform={"a": template})
    assert failed.value.path == "payload_transform.a"
    assert reason in failed.value.message


def test_the_payload_is_not_changed_by_what_is_made_of_it() -> None:
    """The same event is given to other triggers too."""
    before = repr(PAYLOAD)
    shaped(
        payload_transform="{{ payload.commits | sort(attribute='lines') }}",
        input={"a": 1},
        input_template={"b": "{{ payload }}"},
    )
    assert repr(PAYLOAD) == before
