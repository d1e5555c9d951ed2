"""Writes the linker script of what runs: benches/order.sh says what for.

order.py PROGRAM FOLDER: the program with its symbols, and callgrind's outputs, whose names begin with the command that ran.
"""

import collections
import heapq
import pathlib
import re
import subprocess
import sys

# The first two are short commands, judged by their page faults; what the second has in common with the first lies with the first.
GROUPS = [(".text.short", "headers"), (".text.short", "status"), (".text.agent", "run")]
# Bytes of code that does not run and that one pattern less is worth: linkers are slow with those that begin with a wildcard.
NAME, MODULE = 2500, 4500
# What a function is worth to be in its group, in bytes: of a command a page fault, of the agent what the kernel maps around it.
WORTH = {"headers": 8000, "status": 8000, "run": 20000}
# A function that another group wants is less of a loss in this one.
SHARED = 0.3
# What runs depends on the processor, and valgrind's is another.
BY_PROCESSOR = {
    "headers": re.compile("4sha2.*6sha256.*x86|6rustix.*4vdso"),
    "run": re.compile("4ring(4aead|6digest)|_adx$|cpuid_setup"),
}
# What has no name of its own: where a program starts, and the assembler files of ring that its ciphers and signatures are.
BESIDE = {
    ".text.short": ["*crt1.o(.text)", "*crtbegin*.o(.text)"],
    # What the compiler holds for unlikely is little, and every fifth of it runs.
    ".text.agent": ["*(.text.unlikely.*)"]
    + [
        f"*{name}*.o(.text)"
        for name in ("sha256-", "sha512-", "-mont-", "p256-x86_64-asm", "aesni", "aes-gcm", "aesv8-", "ghash", "fiat_curve25519_adx")
    ],
}
HEAD = """/* What runs of a release build for Linux lies together: the kernel maps 64 kB around each page of code that is touched, and a page fault is the
   most that a short command waits for. First what `headers` and `status` run, then what the agent does, in a life with refreshes over TLS.

   Made by `benches/order.sh` from what valgrind saw; not written by hand. The names are parts of symbols as `-Csymbol-mangling-version=v0`
   makes them (.cargo/config.toml). A name that no longer fits does no harm, and what has none here lies where it would without this file:
   make it anew before a release, or when resident memory has grown. */
SECTIONS
{"""
TAIL = """}
INSERT AFTER .fini;"""
CRATE = re.compile(r"Cs[0-9A-Za-z]+_")
# How far back the same stands: that depends on the length of what is between, and so on the numbers of crates.
AGAIN = re.compile(r"B[0-9A-Za-z]{0,3}_")
IDENTIFIER = re.compile(r"(?:s[0-9A-Za-z]*_)?([1-9]\d*)")


def functions(program):
    """The size of each function by its symbol."""
    sizes = {}
    for line in subprocess.check_output(["nm", "-S", program], text=True).splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[2] in "tTwW":
            sizes[fields[3]] = int(fields[1], 16)
    return sizes


def ran(file, program):
    """The symbols of the program's functions that ran."""
    names, objects, found, inside = {}, {}, set(), False
    for line in file.open():
        # "fn=(12) name", and later "fn=(12)". A name may end with the depth of a recursion.
        match = re.match(r"(c?ob|c?fn)=\((\d+)\)(?: (.*))?$", line)
        if not match:
            continue
        kind, number, name = match.groups()
        known = objects if kind.endswith("ob") else names
        if name is not None:
            known[number] = name
        if kind == "ob":
            inside = known[number] == program
        elif kind == "fn" and inside:
            found.add(re.sub(r"'\d+$", "", known[number]))
    return found


def paths(symbol):
    """Where paths begin in a symbol of Rust (RFC 2603), and where each of their identifiers ends."""
    for crate in CRATE.finditer(symbol):
        begin = at = crate.end()
        ends = []
        while identifier := IDENTIFIER.match(symbol, at):
            at = identifier.end() + int(identifier[1])
            if symbol[identifier.end() :].startswith("_"):
                at += 1
            ends.append(at)
        if ends:
            yield begin, ends


def for_any(symbol):
    """Without the crate at its end that it was made for: where several need the same, that is another one in each build."""
    if symbol.endswith("_") and (again := re.search(AGAIN.pattern + "$", symbol)):
        return symbol[: again.start()]
    crates = list(CRATE.finditer(symbol))
    if crates:
        name = IDENTIFIER.match(symbol, crates[-1].end())
        if name and name.end() + int(name[1]) == len(symbol):
            return symbol[: crates[-1].start()]
    return symbol


def patterns(symbol):
    """The patterns that could stand for a symbol: a module it has to do with, its own and one of its parameters', or itself."""
    symbol = re.sub(r"\.(llvm\.)?\d+$", "", symbol)
    if not symbol.startswith("_R"):
        return {symbol}
    symbol = for_any(symbol)
    found = list(paths(symbol))
    every = {"_R*" + symbol[begin:end] + "*" for begin, ends in found for end in ends}
    if found:
        begin, ends = found[0]
        own = "_R*" + symbol[begin : ends[-1]] + "*"
        every |= {own + symbol[begin:end] + "*" for begin, others in found[1:] for end in others if begin > ends[-1]}
    every.add(AGAIN.sub("B*_", CRATE.sub("Cs*_", symbol)) + "*")
    return every


def cover(wanted, other, worth):
    """Patterns that match every wanted function, and few others. Cost by symbol in `other`."""
    matched = collections.defaultdict(set)
    of = {}
    for symbol in (*wanted, *other):
        of[symbol] = patterns(symbol)
        for pattern in of[symbol]:
            matched[pattern].add(symbol)
    matched = {pattern: symbols for pattern, symbols in matched.items() if symbols & wanted}
    covered = set()

    def line(pattern):
        return MODULE if pattern.startswith("_R*") else NAME

    def price(pattern):
        new = matched[pattern] - covered
        gain = len(new & wanted) * worth
        return (line(pattern) + sum(other.get(symbol, 0) for symbol in new)) / gain if gain else None

    prices = {pattern: price(pattern) for pattern in matched}
    queue = [(prices[pattern], pattern) for pattern in prices]
    heapq.heapify(queue)
    chosen = []
    while queue:
        cheapest, pattern = heapq.heappop(queue)
        if prices[pattern] != cheapest:
            continue
        if cheapest > 1:
            break
        chosen.append(pattern)
        new = matched[pattern] - covered
        covered |= new
        for changed in {each for symbol in new for each in of[symbol] if each in matched}:
            prices[changed] = price(changed)
            if prices[changed] is not None:
                heapq.heappush(queue, (prices[changed], changed))

    # What others match by now goes again.
    times = collections.Counter(symbol for pattern in chosen for symbol in matched[pattern])
    for pattern in sorted(chosen, key=lambda pattern: sum(times[symbol] == 1 for symbol in matched[pattern] & wanted)):
        only = [symbol for symbol in matched[pattern] if times[symbol] == 1]
        if sum(worth if symbol in wanted else -other[symbol] for symbol in only) < line(pattern):
            chosen.remove(pattern)
            times.subtract(matched[pattern])
    return sorted(chosen), {symbol for pattern in chosen for symbol in matched[pattern]}


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    sizes = functions(program)
    runs = {}
    for _, command in GROUPS:
        files = list(folder.glob(command + ".*"))
        runs[command] = set(sizes) & set().union(*(ran(file, program) for file in files))
        if command in BY_PROCESSOR:
            runs[command] |= {symbol for symbol in sizes if BY_PROCESSOR[command].search(symbol)}
    hot = set().union(*runs.values())
    left = set(sizes)
    sections = collections.defaultdict(list)
    for section, command in GROUPS:
        # By now what is wanted here and was not worth a pattern in an earlier group is wanted, too.
        wanted = left & (hot if command == GROUPS[-1][1] else runs[command])
        other = {symbol: sizes[symbol] * (SHARED if symbol in hot else 1) for symbol in left - wanted}
        chosen, taken = cover(wanted, other, WORTH[command])
        left -= taken
        sections[section] += chosen
        count, size = len(chosen), sum(sizes[symbol] for symbol in taken)
        runs_of_it = sum(sizes[symbol] for symbol in taken & hot)
        print(f"{command}: {count} patterns, {size // 1000} kB, of which {runs_of_it // 1000} kB run", file=sys.stderr)
    print(HEAD)
    for section, chosen in sections.items():
        print(f"    {section} :\n    {{")
        print("\n".join(f"        {line}" for line in BESIDE[section]))
        print("\n".join(f"        *(.text.{pattern})" for pattern in chosen))
        print("    }")
    print(TAIL)


if __name__ == "__main__":
    main()
