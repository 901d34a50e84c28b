import { assert, assertEquals, assertLess } from "@std/assert";
import { Decoder } from "../../src/wire/decoder.ts";
import {
  CLIENT_ERROR,
  END,
  ERROR,
  INVALID,
  LINE,
  MORE,
  RAW,
  SERVER_ERROR,
} from "../../src/wire/reply.ts";
import { test } from "../_runtime.ts";
import { bytes } from "../_vectors.ts";
import { latin1 } from "./_decode.ts";
import { Random } from "./_random.ts";

const MAX = 60;

/** What a raw reply came to. */
interface Outcome {
  kind: number;
  text?: string;
  /** The kinds of what is behind it. */
  rest?: number[];
  fault?: string;
}

/** Reads a raw reply and what is behind it, in pieces of the sizes given. */
function read(
  stream: string,
  token: string,
  size: (at: number) => number,
): Outcome {
  const decoder = new Decoder(MAX);
  const tokenBytes = bytes(token);
  const rest: number[] = [];
  let outcome: Outcome | undefined;
  for (let at = 0; at < stream.length;) {
    const chunk = bytes(stream.slice(at, at + size(at)));
    at += chunk.length;
    decoder.feed(chunk);
    if (outcome === undefined) {
      const kind = decoder.nextRaw(tokenBytes);
      if (kind === INVALID) return { kind, fault: decoder.fault };
      if (kind !== MORE) {
        const { line, lineStart, lineEnd, data, dataStart, dataEnd } = decoder;
        const text = latin1(line, lineStart, lineEnd);
        assertEquals(latin1(data, dataStart, dataEnd), text);
        assert(data.buffer !== chunk.buffer && decoder.owned);
        assert(!decoder.midReply);
        outcome = { kind, text, rest };
      } else assert(decoder.midReply && decoder.pending);
    }
    if (outcome !== undefined) {
      for (let kind = decoder.next(); kind !== MORE; kind = decoder.next()) {
        rest.push(kind);
        if (kind === INVALID) return outcome;
      }
    }
    chunk.fill(0xaa);
  }
  return outcome ?? { kind: MORE };
}

const FAULT = `reply of more than ${MAX} bytes (maxValueSize)`;

/** Streams, tokens and what they come to; `END\r\n` may be the next reply. */
const CASES: ReadonlyArray<
  readonly [stream: string, token: string, outcome: Outcome]
> = [
  ["OK\r\n", "\r\n", { kind: RAW, text: "OK", rest: [] }],
  ["\r\n", "\r\n", { kind: RAW, text: "", rest: [] }],
  ["OK\r\nEND\r\n", "\r\n", { kind: RAW, text: "OK", rest: [END] }],
  ["a\r\nb\r\nEND\r\n", "END\r\n", { kind: RAW, text: "a\r\nb\r\n", rest: [] }],
  ["END\r\nEND\r\n", "END\r\n", { kind: RAW, text: "", rest: [END] }],
  ["a\nb\r\nEND\r\n", "\nb\r\n", { kind: RAW, text: "a", rest: [END] }],
  ["k=1\nEND\r\n", "END\r\n", { kind: RAW, text: "k=1\n", rest: [] }],
  ["\r\r\r\nEND\r\n", "\r\n", { kind: RAW, text: "\r\r", rest: [END] }],
  ["aaab\r\n", "aab\r\n", { kind: RAW, text: "a", rest: [] }],
  ["\xff\0\x80!", "!", { kind: RAW, text: "\xff\0\x80", rest: [] }],
  ["EEND", "END", { kind: RAW, text: "E", rest: [] }],
  ["a\r\nERROR\r\nEND\r\n", "END\r\n", {
    ...{ kind: RAW, text: "a\r\nERROR\r\n", rest: [] },
  }],
  // A first line that is an error ends the reply, token or no token.
  ["ERROR\r\nEND\r\n", "END\r\n", { kind: ERROR, text: "ERROR", rest: [END] }],
  ["ERROR\r\n", "\r\n", { kind: ERROR, text: "ERROR", rest: [] }],
  ["ERROR\n", "END", { kind: ERROR, text: "ERROR", rest: [] }],
  ["ERROR: no\r\n", "END", { kind: ERROR, text: "ERROR: no", rest: [] }],
  ["CLIENT_ERROR a b\r\nEND\r\n", "\r\n", {
    ...{ kind: CLIENT_ERROR, text: "CLIENT_ERROR a b", rest: [END] },
  }],
  ["SERVER_ERROR END\r\nEND\r\n", "END", {
    ...{ kind: SERVER_ERROR, text: "SERVER_ERROR END", rest: [END] },
  }],
  ["SERVER_ERROR x\r\n", "R", { kind: RAW, text: "SE", rest: [LINE] }],
  ["ERROR\r\nEND\r\n", "\r", { kind: ERROR, text: "ERROR", rest: [END] }],
  ["ERR", "END", { kind: MORE }],
  ["ERROR x END", "END", { kind: MORE }],
  ["a\r\nEN", "END", { kind: MORE }],
  // As long as is allowed, and longer.
  [`${"x".repeat(MAX)}\r\nEND\r\n`, "\r\n", {
    ...{ kind: RAW, text: "x".repeat(MAX), rest: [END] },
  }],
  [`${"x".repeat(MAX)}LONG TOKEN`, "LONG TOKEN", {
    ...{ kind: RAW, text: "x".repeat(MAX), rest: [] },
  }],
  [`${"x".repeat(MAX + 1)}\r\nEND\r\n`, "\r\n", {
    kind: INVALID,
    fault: FAULT,
  }],
  [`${"x".repeat(MAX + 1)}LONG TOKEN`, "LONG TOKEN", {
    ...{ kind: INVALID, fault: FAULT },
  }],
  [`ERROR ${"x".repeat(MAX - 6)}\r\n`, "!", {
    ...{ kind: ERROR, text: `ERROR ${"x".repeat(MAX - 6)}`, rest: [] },
  }],
  [`ERROR ${"x".repeat(MAX)}\r\n`, "!", { kind: INVALID, fault: FAULT }],
  ["x".repeat(MAX * 3), "!", { kind: INVALID, fault: FAULT }],
];

test("nextRaw() reads up to the token, however it is cut", () => {
  const random = new Random(6);
  for (const [stream, token, outcome] of CASES) {
    const told = JSON.stringify([stream, token]);
    assertEquals(read(stream, token, () => 1000), outcome, told);
    for (let cut = 1; cut < stream.length; cut++) {
      const size = (at: number) => at < cut ? cut - at : 1000;
      assertEquals(read(stream, token, size), outcome, `${told} ${cut}`);
    }
    assertEquals(read(stream, token, () => 1), outcome, told);
    for (let i = 0; i < 5; i++) {
      const size = () => 1 + random.below(9);
      assertEquals(read(stream, token, size), outcome, told);
    }
  }
});

test("nextRaw() says the same of any bytes, however they are cut", () => {
  const random = new Random(7);
  const pieces = ["ERROR", "CLIENT_ERROR ", "SERVER_ERROR", "\r", "\n", "\r\n"];
  const tokens = ["\r\n", "END\r\n", "\n", "R", "RR", "ERROR", "x"];
  const kinds = new Map<number, number>();
  for (let i = 0; i < 20_000; i++) {
    let stream = "";
    for (let n = random.below(8); n >= 0; n--) {
      stream += random.oneIn(2)
        ? random.pick([...pieces, ...tokens])
        : "x".repeat(random.below(30));
    }
    const token = random.pick(tokens);
    const whole = read(stream, token, () => 1000);
    const parts = read(stream, token, () => 1 + random.below(12));
    assertEquals(parts, whole, JSON.stringify([stream, token]));
    kinds.set(whole.kind, (kinds.get(whole.kind) ?? 0) + 1);
  }
  for (const kind of [RAW, ERROR, CLIENT_ERROR, SERVER_ERROR, INVALID, MORE]) {
    assertLess(100, kinds.get(kind) ?? 0, `kind ${kind}`);
  }
}, { timeout: 30_000 });

test("nextRaw() takes linear time for a reply in single bytes", () => {
  const time = (size: number): number => {
    const decoder = new Decoder(2_000_000);
    const token = bytes("END\r\n");
    const chunk = new Uint8Array(1);
    const start = performance.now();
    for (let i = 0; i < size; i++) {
      chunk[0] = i % 50 === 0 ? 10 : 69;
      decoder.feed(chunk);
      assertEquals(decoder.nextRaw(token), MORE);
    }
    return performance.now() - start;
  };
  time(10_000);
  let ratio = Infinity;
  for (let round = 0; round < 5 && ratio >= 8; round++) {
    const before = time(100_000);
    ratio = time(400_000) / Math.max(before, 1);
  }
  assertLess(ratio, 8, "4 times the bytes");
}, { timeout: 60_000 });
