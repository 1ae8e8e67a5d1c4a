"""Read what people attach as context (company profiles, positioning, open questions) into offers of facet values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-.]+")

# Members of a profile under the names that people give them, and the member of company_information that takes each.
_COMPANY_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "name": ("companyName", "company", "name"),
    "website": ("website", "url"),
    "industry": ("industry", "sector"),
    "tone_of_voice": ("toneOfVoice", "tone_of_voice", "brandVoice"),
    "audience_segments": ("audienceSegments", "audience_segments", "audience"),
    "preferred_channels": ("preferredChannels", "preferred_channels", "channels"),
}
_BRAND_ASSETS = ("brandAssets", "brand_assets", "assets")
_POSITIONING_LISTS = ("competitors", "differentiators", "challenges")
_COMPANY_BUNDLES = frozenset({"company", "company_profile", "company_information", "brand_profile"})
_QUESTION_BUNDLES = frozenset({"open_questions", "clarification_request"})
_POST_BUNDLES = frozenset({"new_employee", "new_case"})


@dataclass(frozen=True, slots=True)
class Offer:
    """A value for a facet, whole or (of an object) in part. A supplement counts only where the facet exists anyway."""

    facet: str
    value: Any
    supplement: bool = False


def is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def texts_of(value: Any) -> list[str]:
    """Return a text, or the texts of a list, trimmed and without blanks."""
    return [item.strip() for item in (value if isinstance(value, list) else [value]) if is_text(item)]


def read_bundles(value: Any) -> Iterator[Offer]:
    """Offer each {type, payload, ...} of a list as reference material, and as what its type stands for."""
    for bundle in value if isinstance(value, list) else [value]:
        if not isinstance(bundle, dict):
            continue
        kind = bundle["type"].strip() if is_text(bundle.get("type")) else "context"
        payload = bundle.get("payload", {key: part for key, part in bundle.items() if key not in {"type", "label"}})
        yield refer(kind, payload, label=bundle.get("label"))
        yield from _read_kind(kind, payload)


def _read_kind(kind: str, payload: Any) -> Iterator[Offer]:
    if not isinstance(payload, dict):
        return
    if kind in _COMPANY_BUNDLES:
        yield from read_profile(payload)
    elif kind in _QUESTION_BUNDLES:
        yield from read_questions(payload.get("items", payload.get("pendingQuestions")))
    elif kind in _POST_BUNDLES:
        yield Offer("post_context", {"type": kind, "data": payload})
    elif kind == "positioning_context":
        yield Offer("positioning_context", payload)


def refer(kind: str, content: Any, *, label: Any = None) -> Offer:
    """Return content of any shape as one piece of reference material."""
    payload = content if isinstance(content, dict) else {"value": content}
    entry: dict[str, Any] = {"type": kind, "payload": payload}
    if is_text(label):
        entry["label"] = label.strip()
    if summary := summarise(content):
        entry["summary"] = summary
    return Offer("assetBundle", [entry])


def read_profile(value: Any) -> Iterator[Offer]:
    """Offer a company's profile as company_information, and as positioning_context when it speaks of the market."""
    if not isinstance(value, dict):
        return
    information: dict[str, Any] = {}
    used = set(_BRAND_ASSETS)
    for member, names in _COMPANY_MEMBERS.items():
        for name in names:
            if texts := texts_of(value.get(name)):
                information.setdefault(member, ", ".join(texts))
                used.add(name)
    assets: list[Any] = next((value[name] for name in _BRAND_ASSETS if isinstance(value.get(name), list)), [])
    rest = summarise({key: part for key, part in value.items() if key not in used})
    if rest:
        information["special_instructions"] = rest
    yield Offer("company_information", {**information, "brand_assets": assets})
    yield from _read_positioning(value, information.get("name"))


def _read_positioning(value: dict[str, Any], company: str | None) -> Iterator[Offer]:
    found: dict[str, Any] = {name: texts for name in _POSITIONING_LISTS if (texts := texts_of(value.get(name)))}
    if is_text(value.get("market")):
        found["market"] = value["market"].strip()
    if positioning := texts_of(value.get("positioning")):
        found.setdefault("differentiators", positioning)
    if found and company:
        yield Offer("positioning_context", {"company": company, **found})


def read_questions(value: Any) -> Iterator[Offer]:
    """Offer open questions, each {questionId | id, question | prompt, reason?, required?}, as a request for clarity."""
    questions = []
    for entry in value if isinstance(value, list) else ():
        if not isinstance(entry, dict):
            continue
        name, text = entry.get("questionId", entry.get("id")), entry.get("question", entry.get("prompt"))
        if is_text(name) and is_text(text):
            parts = {"id": name, "question": text, "rationale": entry.get("reason"), "required": entry.get("required")}
            questions.append({key: part for key, part in parts.items() if part is not None})
    if questions:
        yield Offer("clarificationRequest", {"pendingQuestions": questions})


def summarise(value: Any) -> str:
    """Return the texts of a value as sentences: `Core value: Safety before speed.`; empty when it holds none."""
    if not isinstance(value, dict):
        return ", ".join(texts_of(value))
    told = ((_label(key), ", ".join(texts_of(part)).rstrip(".")) for key, part in value.items())
    return " ".join(f"{label}: {text}." for label, text in told if text)


def _label(key: str) -> str:
    words = " ".join(_HUMP.sub(" ", key).split())
    return words[:1].upper() + words[1:].lower()
