import { assertEquals } from "@std/assert";
import { knowledgeOf } from "../../src/testing/versions.ts";
import { test } from "../_runtime.ts";
import { LoneSession } from "./_session.ts";

type Exchange = readonly [send: string, reply: string];

const ERROR = "ERROR\r\n";
const INVALID = "CLIENT_ERROR invalid flag\r\n";
const BAD_FLAG = "CLIENT_ERROR invalid or duplicate flag\r\n";
const BAD_FORMAT = "CLIENT_ERROR bad command line format\r\n";
const BAD_CLASS = "BADCLASS invalid class id\r\n";
const STORED = "STORED\r\n";

/** What a thing is answered by the version before it came, and by its first. */
interface Change {
  readonly before: string;
  readonly since: string;
  readonly first: readonly Exchange[];
  readonly last: readonly Exchange[];
}

const CHANGES: Readonly<Record<string, Change>> = {
  "gat and gats": {
    before: "1.5.2",
    since: "1.5.3",
    last: [["gat 0 a\r\n", ERROR], ["gats 0 a\r\n", ERROR]],
    first: [["gat 0 a\r\n", "END\r\n"], ["gats 0 a\r\n", "END\r\n"]],
  },
  "the meta commands": {
    before: "1.5.18",
    since: "1.5.19",
    last: ["mn", "mg a v", "md a", "me a", "ma a"].map(
      (line): Exchange => [`${line}\r\n`, ERROR],
    ).concat([["ms a 1\r\nx\r\n", ERROR + ERROR]]),
    first: [
      ["mn\r\n", "MN\r\n"],
      ["ms a 1\r\nx\r\n", "HD\r\n"],
      ["mg a v\r\n", "VA 1\r\nx\r\n"],
      ["md a\r\n", "HD \r\n"],
      ["me a\r\n", "EN\r\n"],
      ["ma a\r\n", ERROR],
    ],
  },
  "ma": {
    before: "1.5.22",
    since: "1.6.0",
    last: [["ma a N0\r\n", ERROR]],
    first: [["ma a N0\r\n", "HD\r\n"]],
  },
  "lru_crawler metadump hash": {
    before: "1.6.8",
    since: "1.6.9",
    last: [["lru_crawler metadump hash\r\n", BAD_CLASS]],
    first: [["lru_crawler metadump hash\r\n", "END\r\n"]],
  },
  "binary keys": {
    before: "1.6.9",
    since: "1.6.10",
    last: [
      ["mg YQ== b v\r\n", INVALID],
      ["ms YQ== 1 b\r\nx\r\n", INVALID],
      ["md YQ== b\r\n", BAD_FLAG],
    ],
    first: [
      ["ms YQ== 1 b\r\nx\r\n", "HD\r\n"],
      ["mg YQ== b v k\r\n", "VA 1 kYQ== b\r\nx\r\n"],
    ],
  },
  "watch connevents": {
    before: "1.6.10",
    since: "1.6.11",
    last: [["watch connevents\r\n", ERROR]],
    first: [["watch connevents\r\n", "OK\r\n"]],
  },
  "what a miss repeats, and mg without flags": {
    before: "1.6.17",
    since: "1.6.18",
    last: [
      ["mg a\r\n", BAD_FORMAT],
      ["mg a v O7 k\r\n", "EN\r\n"],
      ["mg a v q O7\r\nmn\r\n", "MN\r\n"],
      ["ms a 1 O7 k\r\nx\r\n", "HD O7 ka\r\n"],
    ],
    first: [
      ["mg a\r\n", "EN\r\n"],
      ["mg a v O7 k\r\n", "EN O7 ka\r\n"],
      ["mg a v q O7\r\nmn\r\n", "MN\r\n"],
      ["md a O7 k\r\n", "NF O7 ka\r\n"],
    ],
  },
  "replies without a blank too many": {
    before: "1.6.17",
    since: "1.6.18",
    last: [
      ["md a\r\n", "NF \r\n"],
      ["md a O7 k\r\n", "NF  O7 ka\r\n"],
      ["ma a O7\r\n", "NF  O7\r\n"],
      ["ma a N0 O7 v\r\n", "VA 1 O7\r\n0\r\n"],
      ["ma a C99\r\n", "EX \r\n"],
      ["ma a\r\n", "HD\r\n"],
      ["md a I O7\r\n", "HD  O7\r\n"],
      ["md a C99 k\r\n", "EX  ka\r\n"],
      ["md a\r\n", "HD \r\n"],
    ],
    first: [
      ["md a O7 k\r\n", "NF O7 ka\r\n"],
      ["ma a O7\r\n", "NF O7\r\n"],
      ["ma a N0 O7 v\r\n", "VA 1 O7\r\n0\r\n"],
      ["ma a C99\r\n", "EX\r\n"],
      ["md a\r\n", "HD\r\n"],
    ],
  },
  "lru_crawler mgdump": {
    before: "1.6.18",
    since: "1.6.19",
    last: [["lru_crawler mgdump all\r\n", ERROR]],
    first: [
      ["set a%b 0 0 1\r\nx\r\n", STORED],
      ["ms AAEC 1 b\r\nx\r\n", "HD\r\n"],
      ["lru_crawler mgdump all\r\n", "mg AAEC b\r\nmg a%b\r\nEN\r\n"],
      ["lru_crawler mgdump 1\r\n", "mg AAEC b\r\nmg a%b\r\nEN\r\n"],
      ["lru_crawler mgdump 2\r\n", "EN\r\n"],
      ["lru_crawler mgdump 64\r\n", BAD_CLASS],
      ["lru_crawler mgdump\r\n", ERROR],
      [
        "mg z\r\nlru_crawler mgdump all\r\n",
        "EN\r\nERROR cannot pipeline other commands before mgdump\r\n",
      ],
    ],
  },
  "the size that ms returns": {
    before: "1.6.19",
    since: "1.6.21",
    last: [["ms a 3 s c\r\nabc\r\n", "HD c1\r\n"]],
    first: [
      ["ms a 3 s c\r\nabc\r\n", "HD s3 c1\r\n"],
      ["ms a 2 MA s O1\r\nde\r\n", "HD s5 O1\r\n"],
      ["ms a 1 MP c s\r\nx\r\n", "HD c3 s6\r\n"],
      ["ms a 2 ME s\r\nxx\r\n", "NS s2\r\n"],
      ["ms a 2 C99 s\r\nxx\r\n", "EX s2\r\n"],
      ["ms b 2 C99 s\r\nxx\r\n", "NF s2\r\n"],
      ["ms a 2 s q\r\nxx\r\n", ""],
    ],
  },
  "the size that ms returns with c, in 1.6.20 alone": {
    before: "1.6.19",
    since: "1.6.20",
    last: [["ms a 3 c\r\nabc\r\n", "HD c1\r\n"]],
    first: [
      ["ms a 3 c\r\nabc\r\n", "HD c1 s3\r\n"],
      ["ms a 3 s\r\nabc\r\n", "HD s3\r\n"],
    ],
  },
  "items that ms makes when it appends": {
    before: "1.6.19",
    since: "1.6.20",
    last: [
      ["ms a 1 MA N30\r\nx\r\n", "NS\r\n"],
      ["ms a 1 MP N30\r\nx\r\n", "NS\r\n"],
    ],
    first: [
      ["ms a 1 MA N30 T99 F7\r\nx\r\n", "HD\r\n"],
      ["mg a v t f\r\n", "VA 1 t30 f7\r\nx\r\n"],
      ["ms a 1 MA N60 F8\r\ny\r\n", "HD\r\n"],
      ["ms a 1 MP N60\r\nw\r\n", "HD\r\n"],
      ["mg a v t f\r\n", "VA 3 t30 f7\r\nwxy\r\n"],
      ["ms b 1 MP N0\r\nx\r\n", "HD\r\n"],
      ["mg b v t\r\n", "VA 1 t-1\r\nx\r\n"],
      ["ms c 1 MR N30\r\nx\r\n", "NS\r\n"],
      ["ms c 1 ME N30\r\nx\r\n", "HD\r\n"],
      ["mg c t\r\n", "HD t-1\r\n"],
    ],
  },
  "watch deletions": {
    before: "1.6.19",
    since: "1.6.20",
    last: [["watch deletions\r\n", ERROR]],
    first: [["watch deletions\r\n", "OK\r\n"]],
  },
  "versions that the client gives": {
    before: "1.6.26",
    since: "1.6.27",
    last: [
      ["ms a 1 E5\r\nx\r\n", INVALID],
      ["md a E5\r\n", BAD_FLAG],
      ["ma a E5\r\n", BAD_FLAG],
      ["mg a E5 N0\r\n", INVALID],
    ],
    first: [
      ["ms a 1 c E500\r\n1\r\n", "HD c500\r\n"],
      ["mg a c\r\n", "HD c500\r\n"],
      [
        "ms a 1 MA c E18446744073709551615\r\n2\r\n",
        "HD c18446744073709551615\r\n",
      ],
      ["mg a c v\r\n", "VA 2 c18446744073709551615\r\n12\r\n"],
      ["ms a 1 c C18446744073709551615 E6\r\n9\r\n", "HD c6\r\n"],
      ["ms a 1 c C5 E7\r\n9\r\n", "EX c0\r\n"],
      ["ma a c v E8\r\n", "VA 2 c8\r\n10\r\n"],
      ["ma a c MD E9\r\n", "HD c9\r\n"],
      ["ma b c N0 E10\r\n", "HD c10\r\n"],
      ["mg c c N0 E11\r\n", "HD c11 W\r\n"],
      // An item that is there keeps its version, whatever mg does to it.
      ["mg c c T30 E12\r\n", "HD c11 Z\r\n"],
      ["md a I E13\r\n", "HD\r\n"],
      ["mg a c\r\n", "HD c13 X W\r\n"],
      ["ms a 1 c I C12 E14\r\n9\r\n", "HD c14\r\n"],
      ["mg a c\r\n", "HD c14 Z X\r\n"],
      [
        "ms a 1 Ex\r\nx\r\n",
        "CLIENT_ERROR bad token in command line format\r\n",
      ],
      // The server's own go on where they were.
      ["ms d 1 c\r\nx\r\n", "HD c1\r\n"],
    ],
  },
  "values that go while their items stay": {
    before: "1.6.26",
    since: "1.6.27",
    last: [["md a x\r\n", BAD_FLAG], ["mg a x\r\n", INVALID]],
    first: [
      ["ms a 3 F7 T90\r\nabc\r\n", "HD\r\n"],
      ["md a x q\r\n", ""],
      ["mg a v f t c\r\n", "VA 0 f0 t-1 c1\r\n\r\n"],
      ["md a x T30 F9 E50 k O1\r\n", "HD ka O1\r\n"],
      ["mg a v f t c\r\n", "VA 0 f9 t30 c50\r\n\r\n"],
      ["md a x I T20\r\n", "HD\r\n"],
      ["mg a v t\r\n", "VA 0 t20 X W\r\n\r\n"],
      ["md b x\r\n", "NF\r\n"],
      ["md a x C99\r\n", "EX\r\n"],
    ],
  },
  "mg that compares versions": {
    before: "1.6.39",
    since: "1.6.40",
    last: [
      ["ms a 1\r\nx\r\n", "HD\r\n"],
      ["mg a v c C1\r\n", "VA 1 c1\r\nx\r\n"],
      ["mg a v c C2\r\n", "VA 1 c1\r\nx\r\n"],
    ],
    first: [
      ["ms a 1\r\nx\r\n", "HD\r\n"],
      ["mg a v c C1\r\n", "HD c1\r\n"],
      ["mg a v c C2\r\n", "VA 1 c1\r\nx\r\n"],
      ["mg a c C1\r\n", "HD c1\r\n"],
      ["mg b v C1 k\r\n", "EN kb\r\n"],
      ["mg a v Cx\r\n", "CLIENT_ERROR bad token in command line format\r\n"],
    ],
  },
};

for (const [what, { before, since, last, first }] of Object.entries(CHANGES)) {
  test(`Session knows ${what} from ${since} on`, () => {
    for (const [version, talk] of [[before, last], [since, first]] as const) {
      const session = new LoneSession({ version });
      assertEquals(session.ask("version\r\n"), `VERSION ${version}\r\n`);
      for (const [send, reply] of talk) {
        assertEquals(session.ask(send), reply, `${version}: ${send}`);
      }
    }
  });
}

test("Session takes opaque tokens of 31 bytes, whatever the version", () => {
  for (const version of ["1.6.0", "1.6.18", "1.6.45"]) {
    const session = new LoneSession({ version });
    session.ask("ms a 1\r\nx\r\n");
    const opaque = "o".repeat(31);
    assertEquals(session.ask(`mg a O${opaque}\r\n`), `HD O${opaque}\r\n`);
    assertEquals(
      session.ask(`mg a O${opaque}o\r\n`),
      "CLIENT_ERROR opaque token too long\r\n",
    );
  }
});

test("knowledgeOf() lets the option meta have the last word", () => {
  assertEquals(knowledgeOf("1.4.5").meta, false);
  const given = knowledgeOf("1.4.5", true);
  assertEquals([given.meta, given.metaArithmetic], [true, true]);
  const taken = knowledgeOf("1.6.45", false);
  assertEquals([taken.meta, taken.metaArithmetic], [false, false]);
  const session = new LoneSession({ version: "1.6.45", meta: false });
  assertEquals(
    session.ask("mn\r\nma a\r\ngat 0 a\r\n"),
    ERROR + ERROR + "END\r\n",
  );
});

test("knowledgeOf() compares versions as numbers, and reads their beginning", () => {
  assertEquals(knowledgeOf("1.10.0"), knowledgeOf("2.0.0"));
  assertEquals(knowledgeOf("1.6.9").binaryKeys, false);
  assertEquals(knowledgeOf("1.6.10").binaryKeys, true);
  assertEquals(knowledgeOf("1.6.40-rc1_2"), knowledgeOf("1.6.40"));
  for (const version of ["", "unknown", "1.6", "v1.4.5"]) {
    assertEquals(knowledgeOf(version), knowledgeOf("1.6.18"), version);
  }
});
