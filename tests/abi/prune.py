"""Leaves of abidw's XML what the exported functions are made of.

abidw knows C and C++. Of a library in Rust it writes every type of every crate, some megabytes that change with each
dependency; the functions of the ABI and the types that they reach are all that it promises.

usage: prune.py <abidw.xml >snapshot.abi
"""

import sys
import xml.etree.ElementTree as ET

REFERENCES = ("type-id", "naming-typedef-id")


def main():
    corpus = ET.parse(sys.stdin).getroot()
    types = {node.get("id"): node for node in corpus.iter() if node.get("id")}
    functions = [node for node in corpus.iter("function-decl") if node.get("elf-symbol-id")]
    functions.sort(key=lambda node: node.get("name"))

    # In the order in which the functions reach them: their ids are to depend on nothing else.
    ids, reached = {}, []

    def reach(node):
        for part in node.iter():
            if part.get("id"):
                ids.setdefault(part.get("id"), f"type-id-{len(ids) + 1}")
        for part in node.iter():
            for name in REFERENCES:
                identifier = part.get(name)
                if identifier in types and identifier not in ids:
                    reached.append(types[identifier])
                    reach(types[identifier])

    for function in functions:
        reach(function)

    instructions = corpus.findall("abi-instr")
    unit = ET.Element("abi-instr", {"address-size": instructions[0].get("address-size"), "path": "src/lib.rs"})
    unit.set("language", "LANG_C99")
    for node in reached + functions:
        for part in node.iter():
            for name in (*REFERENCES, "id"):
                if part.get(name) in ids:
                    part.set(name, ids[part.get(name)])
        unit.append(node)
    for instruction in instructions:
        corpus.remove(instruction)
    corpus.append(unit)
    ET.indent(corpus)
    ET.ElementTree(corpus).write(sys.stdout, encoding="unicode")
    print()


main()
