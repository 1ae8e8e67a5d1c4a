"""Whether every value of one JSON Schema satisfies another, proved or refuted with a value that shows it."""

from planner.contracts.containment.proof import Containment as Containment
from planner.contracts.containment.proof import Witness as Witness
from planner.contracts.containment.proof import contained as contained
from planner.contracts.containment.proof import instance_of as instance_of
