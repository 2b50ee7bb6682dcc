"""Asks Kafka's own assignors and writes down what they say: `python -m tests.client.group.record_assignments`.

Needs a JDK (the tests that read the record need none). The record is assignments.txt: question, answer, question, ...
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.client.group import assignment_cases
from tests.support import peers

RECORD = Path(__file__).with_name("assignments.txt")
PROGRAM = Path(__file__).with_name("Assign.java")


def ask(questions: list[str]) -> list[str]:
    jars = subprocess.run([peers.tool(), "install"], capture_output=True, text=True, check=True).stdout.strip()
    command = ["java", "-cp", f"{jars}/*", str(PROGRAM)]
    done = subprocess.run(command, input="\n".join(questions) + "\n", capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "|" in line]


def main() -> None:
    questions = [assignment_cases.write(question) for question in assignment_cases.lives_of_groups(4, 80)]
    answers = ask(questions)
    assert len(answers) == len(questions)
    lines = [line for pair in zip(questions, answers, strict=True) for line in pair]
    RECORD.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
