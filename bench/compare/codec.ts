/**
 * The decoder beside the one that a peer has as a package of its own.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import process from "node:process";
import { decoderCases } from "../_decoder_cases.ts";
import { keysOf } from "../_encoder_cases.ts";
import { type Case, measure, runtimeText } from "../_measure.ts";
import type { Row } from "./program.ts";

/** What a reply is to the parser of memcache-client. */
interface Parsed {
  readonly data: { toString(): string };
}

/** Its class, which others derive theirs from. */
interface Parser {
  new (logger: object): {
    onData(data: Uint8Array): void;
    initiatePending(tokens: readonly string[], length: number): void;
    processCmd(tokens: readonly string[]): number;
    receiveResult(result: Parsed): void;
  };
}

/** The cases of ours that a scenario is, by group and name. */
const CASES: Readonly<Record<string, readonly [group: string, name: string]>> =
  {
    decodeVA: ["VA 100 B, 64 KiB chunks", "string, the runtime's way"],
    decodeVALUE: [
      "VALUE…END 100 B, 64 KiB chunks",
      "string, the runtime's way",
    ],
    skipVA: ["VA 100 B, 64 KiB chunks", "value untouched"],
    skipVALUE: ["VALUE…END 100 B, 64 KiB chunks", "value untouched"],
  };

/**
 * Makes cases of a peer's parser: the same replies in the same chunks.
 *
 * @param folder Where the packages from npm are.
 * @param like The cases of ours.
 */
export function parserCases(folder: string, like: readonly Case[]): Case[] {
  const require = createRequire(`${folder}/`);
  const { MemcacheParser } = require("memcache-parser") as {
    MemcacheParser: Parser;
  };
  let length = 0;
  let count = 0;
  class Client extends MemcacheParser {
    override processCmd(tokens: readonly string[]): number {
      if (tokens[0] === "VALUE") this.initiatePending(tokens, +tokens[3]);
      else if (tokens[0] === "VA") this.initiatePending(tokens, +tokens[1]);
      return tokens.length;
    }
    override receiveResult({ data }: Parsed): void {
      length += data.toString().length;
      count++;
    }
  }
  const logger = { error() {}, debug() {}, info() {}, warn() {} };
  return like.map(({ group, bytes, count: replies, chunks = [] }) => {
    // It needs Node's own class.
    const buffers = chunks.map((bytes) => Buffer.from(bytes));
    const parser = new Client(logger);
    const run = (): number => {
      length = 0;
      count = 0;
      for (const buffer of buffers) parser.onData(buffer);
      return length;
    };
    run();
    if (count !== replies) {
      throw new Error(`Cannot measure: memcache-parser read ${count} replies`);
    }
    return {
      ...{ group, name: "memcache-parser, string", baseline: false },
      ...{ count: replies, bytes, chunks, run },
    };
  });
}

/** Makes cases of what memjs does to write a get. */
export function encoderCasesOfMemjs(folder: string): Case[] {
  const { makeRequestBuffer } = createRequire(`${folder}/`)(
    "memjs/lib/memjs/utils",
  ) as {
    makeRequestBuffer(
      opcode: number,
      key: string,
      extras: string,
      value: string,
      opaque: number,
    ): Uint8Array;
  };
  return [20, 200].map((length) => {
    const keys = keysOf(length, "k");
    const run = (): number => {
      let written = 0;
      for (let i = 0; i < keys.length; i++) {
        written += makeRequestBuffer(0, keys[i], "", "", i).length;
      }
      return written;
    };
    return {
      ...{ group: `get, key of ${length} bytes`, name: "memjs" },
      ...{ baseline: false, count: keys.length, bytes: run(), run },
    };
  });
}

/** Makes cases of the check that memcached does before it sends a key. */
export function keyCasesOfMemcached(folder: string): Case[] {
  const { validateArg } = createRequire(`${folder}/`)(
    "memcached/lib/utils",
  ) as {
    validateArg(args: object, config: object): boolean;
  };
  const validate = [["key", String]];
  const config = { maxKeySize: 250, keyCompression: true };
  return [20, 200].map((length) => {
    const queries = keysOf(length, "k").map((key) => ({
      ...{ key, validate, command: `get ${key}` },
    }));
    const run = (): number => {
      let good = 0;
      for (const query of queries) if (validateArg(query, config)) good++;
      return good;
    };
    if (run() !== queries.length) {
      throw new Error("Cannot measure: memcached refused a key");
    }
    return {
      ...{ group: `keys of ${length} bytes`, name: "memcached, validateArg" },
      ...{ baseline: false, count: queries.length, bytes: 0, run },
    };
  });
}

/** Milliseconds for a case and round. */
const TIME = 30;

/** Milliseconds of processor time: nothing waits here, but others may run. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Measures the scenarios of the codec. */
export async function measureCodec(
  scenarios: readonly string[],
  contenders: readonly string[],
  folder: string,
  rounds: number,
): Promise<Row[]> {
  const all = decoderCases(await runtimeText());
  const rows: Row[] = [];
  for (const scenario of scenarios) {
    const [group, name] = CASES[scenario];
    const cases = all.filter((one) => one.group === group && one.name === name);
    if (cases.length !== 1) throw new Error(`Cannot find case ${group}`);
    const names = ["ours"];
    // It copies every value: there is no reply that it only passes by.
    if (
      contenders.includes("memcache-client") && scenario.startsWith("decode")
    ) {
      cases.push(...parserCases(folder, cases));
      names.push("memcache-parser");
    }
    measure(cases, rounds, TIME, processorTime).forEach((
      { rounds: values },
      i,
    ) => rows.push({ scenario, contender: names[i], values, cpu: [] }));
  }
  return rows;
}
