"""The vocabulary of the demo language.

`big/large` is one concept with two synonyms, and a sentence uses either. A class lists concepts
that can replace each other, and its name is a word for all of them.
"""

from dataclasses import dataclass

WOMEN = """
Alice Amy Anna Beth Carla Clara Diana Donna Ella Emily Emma Eva Fiona Grace Hannah Helen Irene Jane
Julia Karen Kate Laura Linda Lucy Maria Mary Megan Nancy Nora Olivia Paula Rachel Rosa Ruth Sarah
Sophie Susan Tina Vera Wendy
""".split()
MEN = """
Adam Albert Alex Andrew Ben Brian Carl Charles Chris Daniel David Edward Eric Felix Frank George
Henry Hugo Isaac Jack James John Kevin Leo Louis Mark Martin Max Michael Nathan Oliver Oscar Paul
Peter Ralph Robert Simon Thomas Victor Walter
""".split()

_PEOPLE = """
medic: doctor/physician nurse dentist pharmacist paramedic
artist: painter singer dancer actor poet sculptor
athlete: runner swimmer boxer skater jockey
official: mayor judge senator ambassador inspector
craftsman: baker butcher carpenter tailor plumber mechanic potter
scholar: scientist/researcher professor student historian
worker: waiter chef maid porter driver
relative: uncle aunt cousin nephew niece
"""
_ANIMALS = """
pet: dog cat rabbit hamster parrot
beast: horse cow goat sheep:sheep pig donkey
bird: duck goose:geese crow eagle owl
"""
_THINGS = """
fruit: apple pear peach plum lemon mango cherry
vegetable: carrot onion potato:potatoes cabbage pumpkin cucumber
tool: hammer saw drill wrench shovel rake
vehicle: car/automobile truck/lorry bus van tractor motorcycle
instrument: piano violin guitar flute drum trumpet
garment: coat shirt jacket scarf:scarves hat dress sweater/pullover
toy: doll kite puzzle balloon marble
document: letter report article poem contract diary
machine: computer printer camera radio phone/telephone clock
vessel: bowl cup bottle jar kettle bucket
flower: rose tulip lily daisy orchid
jewel: ring necklace bracelet brooch pendant
container: box basket bag/sack suitcase barrel
seat: chair bench stool sofa/couch throne
"""
GOODS = "tool vehicle instrument garment toy document machine vessel jewel container seat".split()


def _parse(text: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the concepts of each class, and the irregular plurals."""
    classes: dict[str, list[str]] = {}
    plurals: dict[str, str] = {}
    for line in text.strip().splitlines():
        name, _, rest = line.partition(": ")
        classes[name] = []
        for item in rest.split():
            concept, _, many = item.partition(":")
            classes[name].append(concept)
            plurals.update(zip(concept.split("/"), many.split("/"), strict=False) if many else ())
    return classes, plurals


_PARSED = [_parse(text) for text in (_PEOPLE, _ANIMALS, _THINGS)]
CLASSES = {name: concepts for classes, _ in _PARSED for name, concepts in classes.items()}
PLURALS = {noun: many for _, plurals in _PARSED for noun, many in plurals.items()}
PLURALS["craftsman"] = "craftsmen"
KIND = {concept: name for name, concepts in CLASSES.items() for concept in concepts}
"""Class of each concept."""
PEOPLE, ANIMALS = (list(classes) for classes, _ in _PARSED[:2])
PORTABLE = "tool garment toy document vessel jewel".split()
ABOVE = dict.fromkeys(PEOPLE, "person") | dict.fromkeys(ANIMALS, "animal")
"""Word for all members of a class of people or animals."""


@dataclass(frozen=True)
class Verb:
    """A verb with the participants that it takes.

    Attributes:
        concept: Base forms.
        agent: `person` or `animal`.
        patient: Classes of its object; empty for an intransitive verb.
        gives: True if it also takes a recipient.
    """

    concept: str
    agent: str
    patient: tuple[str, ...] = ()
    gives: bool = False


# Agent, patient and recipient, then the verbs that take them.
_FRAMES = """
person: sleep laugh smile cry/weep dance sing swim jump wait work shout/yell cough sneeze rest
person: whistle
animal: sleep jump swim rest wander
person goods: buy/purchase sell find/discover lose steal borrow inspect/examine
person portable: carry drop hide/conceal
person fruit: eat peel wash slice buy/purchase
person vegetable: cook peel wash chop sell
person machine: repair/fix test install
person vehicle: drive repair/fix rent wash
person instrument: play tune polish
person garment: wear iron sew/stitch fold
person document: read write copy translate sign publish
person flower: pick/gather water plant
person person: help/assist call/phone visit thank praise blame follow hug/embrace push warn invite
person person: hire/employ dismiss/fire admire trust watch/observe teach/instruct interview insult
person animals: feed wash train brush follow stroke/pet rescue/save watch/observe
animal animals: chase bite frighten/scare watch/observe
animal person: chase bite frighten/scare
person portable person: give/hand send show lend offer bring
"""


def _verbs() -> list[Verb]:
    groups = {
        "goods": tuple(GOODS),
        "portable": tuple(PORTABLE),
        "person": tuple(PEOPLE),
        "animals": tuple(ANIMALS),
    }
    verbs = []
    for line in _FRAMES.strip().splitlines():
        frame, _, concepts = line.partition(": ")
        agent, *objects = frame.split()
        patient = groups.get(objects[0], (objects[0],)) if objects else ()
        verbs += [Verb(c, agent, patient, len(objects) == 2) for c in concepts.split()]
    return verbs


VERBS = _verbs()

_IRREGULAR = """
sleep slept slept, sing sang sung, swim swam swum, weep wept wept, buy bought bought,
sell sold sold, find found found, lose lost lost, hide hid hidden, steal stole stolen,
eat ate eaten, drive drove driven, wear wore worn, sew sewed sewn, read read read,
write wrote written, teach taught taught, feed fed fed, bite bit bitten, give gave given,
send sent sent, show showed shown, lend lent lent, bring brought brought, drop dropped dropped,
chop chopped chopped, hug hugged hugged, pet petted petted, know knew known, say said said,
think thought thought
"""
FORMS = {
    base: (past, participle)
    for base, past, participle in (x.split() for x in _IRREGULAR.split(","))
}
"""Past tense and past participle of irregular verbs."""

_ADJECTIVES = """
person: young old/elderly tall short kind famous rich/wealthy poor tired happy/cheerful sad
animal: young old big/large small/little black white brown hungry thirsty quick/fast
food: fresh ripe big/large small/little cheap expensive/costly sweet
thing: old new big/large small/little cheap expensive/costly heavy light beautiful/lovely ugly
thing: red blue green yellow black white brown purple orange pink
document: old new long short secret famous
flower: fresh red white yellow pink beautiful/lovely
"""
ADJECTIVES: dict[str, list[str]] = {}
for _line in _ADJECTIVES.strip().splitlines():
    _kind, _, _words = _line.partition(": ")
    ADJECTIVES.setdefault(_kind, []).extend(_words.split())


def _phrases(text: str) -> list[str]:
    return [phrase.strip() for phrase in text.replace("\n", "|").split("|") if phrase.strip()]


PLACES = _phrases("""
in the park|in the garden/yard|at the market|at the station|in the kitchen|at the office
in the library|in the museum|at the hospital|at the school|in the restaurant|at the hotel
at the airport|at the harbor/port|in the theater|in the church|in the village|in the castle
in the forest/woods|on the beach|on the farm|near the bridge|near the river|at the bank
in the hall|in the basement/cellar|on the balcony|behind the house|in the street/road
at the factory
""")
TIMES = _phrases("""
yesterday|last night|last week|last month|last summer|this morning|at noon/midday|in the evening
on Monday|on Tuesday|on Friday|on Sunday|in April|in October|before lunch|after dinner
""")
HABITS = _phrases("every day|every morning|every week|every evening|every summer|every weekend")
MANNERS = """
quickly/rapidly slowly quietly/silently carefully happily/gladly proudly secretly
eagerly
""".split()
NUMBERS = "two three four five six seven eight nine ten".split()

UNMANNERED = frozenset(
    "sleep cry/weep wait rest cough sneeze find/discover lose drop wear admire trust bite "
    "frighten/scare".split()
)
"""Verbs that take no adverb of manner."""

FACTIVE = "know realize notice remember".split()
"""Verbs that imply the clause after `that`."""
NON_FACTIVE = "say think/believe claim hope suspect".split()
"""Verbs that do not imply it."""
