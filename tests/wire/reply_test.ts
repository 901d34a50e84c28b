import { assert, assertEquals } from "@std/assert";
import * as reply from "../../src/wire/reply.ts";
import { test } from "../_runtime.ts";
import { bytes } from "../_vectors.ts";

const { isError, wordKind } = reply;

/** All kinds by name. */
const KINDS: ReadonlyMap<string, number> = new Map(
  Object.entries<unknown>(reply).filter((entry): entry is [string, number] =>
    typeof entry[1] === "number"
  ),
);

/** Words that are a whole line. */
const WORDS: readonly string[] = [
  ...["END", "STORED", "NOT_STORED", "EXISTS", "NOT_FOUND", "DELETED"],
  ...["TOUCHED", "OK", "RESET"],
];

/** Words that more follows in the same line; the blank is part of some. */
const PREFIXES: readonly string[] = [
  ...["STAT ", "VERSION ", "ME ", "ERROR", "CLIENT_ERROR", "SERVER_ERROR"],
];

const CODES: readonly string[] = ["HD", "EN", "NS", "EX", "NF", "MN"];

/** The kind of a line, which is looked for amid other bytes. */
function kindOf(line: string): number {
  const kinds = ["", "END", "HD O1\r\n", "12"].map((before) =>
    wordKind(
      bytes(`${before}${line}\r\n12`),
      before.length,
      before.length + line.length,
    )
  );
  assertEquals(new Set(kinds).size, 1, line);
  return kinds[0];
}

test("wordKind() knows the words of the protocol", () => {
  for (const word of WORDS) assertEquals(kindOf(word), KINDS.get(word), word);
  for (const prefix of PREFIXES) {
    const kind = KINDS.get(prefix.trim());
    for (const rest of ["", " ", "x", "some words", "\xff\0"]) {
      assertEquals(kindOf(prefix + rest), kind, prefix + rest);
    }
  }
  for (const code of CODES) {
    // The sign says that meta flags may follow.
    assertEquals(kindOf(code), -(KINDS.get(code) ?? 0), code);
    assertEquals(kindOf(`${code} `), -(KINDS.get(code) ?? 0), code);
    assertEquals(kindOf(`${code} O1 k`), -(KINDS.get(code) ?? 0), code);
  }
});

test("wordKind() takes no part of a word, and no more than it, for the word", () => {
  const known = new Set([...WORDS, ...PREFIXES, ...CODES]);
  for (const word of known) {
    for (let end = 1; end < word.length; end++) {
      const part = word.slice(0, end);
      // EN is a part of END, and a word itself.
      if (!known.has(part)) assertEquals(kindOf(part), reply.LINE, part);
    }
    assertEquals(kindOf(word.toLowerCase()), reply.LINE);
    assertEquals(kindOf(` ${word}`), reply.LINE);
  }
  for (const word of [...WORDS, ...CODES]) {
    assertEquals(kindOf(`${word}x`), reply.LINE, word);
    assertEquals(kindOf(`${word}\t`), reply.LINE, word);
  }
  for (const word of WORDS) {
    // Before 1.6.10 it is what HD is.
    const kind = word === "OK" ? -reply.HD : reply.LINE;
    assertEquals(kindOf(`${word} `), kind, word);
  }
});

test("wordKind() knows numbers, with the blanks that decr leaves", () => {
  for (const digits of ["0", "7", "42", "007", "18446744073709551615"]) {
    for (let blanks = 0; blanks < 20; blanks++) {
      assertEquals(kindOf(digits + " ".repeat(blanks)), reply.NUMBER);
    }
  }
  const others = ["1x", "1 2", "1.5", "1\t", "0x10", "1-", "9".repeat(21)];
  for (const line of [...others, "-1", "+1", " 1", "", " ", "\xb2"]) {
    assertEquals(kindOf(line), reply.LINE, line);
  }
});

test("isError() is true for the three error lines alone", () => {
  const errors = ["ERROR", "CLIENT_ERROR", "SERVER_ERROR"];
  for (const [name, kind] of KINDS) {
    assertEquals(isError(kind), errors.includes(name), name);
    assertEquals(isError(-kind), false);
  }
});

test("kinds are numbers of their own", () => {
  assert(KINDS.size > 20);
  assertEquals(new Set(KINDS.values()).size, KINDS.size);
});
