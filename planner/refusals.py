"""Why an envelope is not taken: each refusal lists its problems with their pointers."""

from __future__ import annotations

from policies.errors import InvalidInputError


class InvalidConditionError(InvalidInputError):
    """The text of a condition is not right; nothing else is wrong with the envelope."""

    code = "invalid_condition_dsl"


class ContractUnsatisfiableError(InvalidInputError):
    """Two parts of the envelope contradict each other, so that no result can satisfy both; change one of them."""

    code = "contract_unsatisfiable"


class PoliciesDisabledError(InvalidInputError):
    """This server does not act on runtime policies; leave them out or turn them on with FLEX_POLICIES=on."""

    code = "policies_disabled"


class NotAvailableYetError(InvalidInputError):
    """The envelope is right, but asks for something that this version does not do yet."""

    code = "not_available_yet"
