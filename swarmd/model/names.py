"""Names: what services may be called, what an image is called, and names for services without one."""

import hashlib
import re

#: Swarmkit's rule for names that end up in DNS, without its nested repetition.
_DNS_NAME = re.compile(r"[a-zA-Z0-9](?:[-_a-zA-Z0-9]*[a-zA-Z0-9])?")
MAX_NAME = 63

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    r"(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[a-fA-F0-9:]+\])(?::[0-9]+)?/)?"
    rf"{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?"
)
_IMAGE_ID = re.compile(r"[a-f0-9]{64}")
#: Longest image reference that is looked at: a host, a path of 255 and a digest.
MAX_IMAGE = 1024

#: One word beside the other reads better than a hundred quoted lines.
_ADJECTIVES = (  # noqa: SIM905
    "admiring agitated amazing bold brave busy charming clever compassionate confident cool dazzling "
    "determined dreamy eager ecstatic elegant eloquent epic exciting fervent festive focused friendly "
    "frosty funny gallant gifted goofy gracious great happy hopeful hungry infallible inspiring "
    "intelligent jolly jovial keen kind laughing loving lucid magical modest musing mystifying "
    "naughty nice nifty nostalgic objective optimistic peaceful pensive practical priceless quirky "
    "quizzical relaxed reverent romantic serene sharp silly sleepy stoic strange sweet tender thirsty "
    "trusting unruffled upbeat vibrant vigilant vigorous wizardly wonderful xenodochial youthful "
    "zealous zen"
).split()
_SURNAMES = (  # noqa: SIM905
    "allen archimedes austin babbage banach bartik bell bohr borg brattain brown cannon carson cerf "
    "chandrasekhar clarke curie darwin davinci dijkstra dirac edison einstein elion engelbart euclid "
    "euler faraday fermat fermi feynman franklin galileo gates goldberg goldstine goodall haibt "
    "hamilton hawking heisenberg hermann hodgkin hoover hopper hypatia jackson jang jepsen joliot "
    "kalam kare keller kepler khorana kilby knuth kowalevski lalande lamarr lamport leakey leavitt "
    "liskov lovelace lumiere mayer mccarthy mclean meitner mendel moore morse newton nobel noether "
    "panini pare pasteur payne perlman pike poincare ptolemy raman ride ritchie rosalind saha sammet "
    "shannon shaw shockley sinoussi snyder stallman swartz swirles tesla thompson torvalds turing "
    "varahamihira visvesvaraya volhard wescoff wiles williams wilson wing wozniak wright yalow yonath"
).split()


def is_dns_name(text: str) -> bool:
    """Whether a service may be called so, whatever its length."""
    return _DNS_NAME.fullmatch(text) is not None


def is_image(text: str) -> bool:
    """Whether `text` is a reference to an image: `host:port/path:tag@digest`."""
    if len(text) > MAX_IMAGE or _IMAGE_ID.fullmatch(text):
        return False
    return _IMAGE.fullmatch(text) is not None


def invented_name(seed: str, attempt: int) -> str:
    """`adjective_surname` that follows from the seed; another one for each attempt."""
    digest = hashlib.sha256(f"name\0{seed}\0{attempt}".encode()).digest()
    first, second = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big")
    return f"{_ADJECTIVES[first % len(_ADJECTIVES)]}_{_SURNAMES[second % len(_SURNAMES)]}"
