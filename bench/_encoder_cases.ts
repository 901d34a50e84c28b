/**
 * What the encoders are measured with, on any runtime: the requests of a
 * client, as a connection writes them.
 *
 * @module
 */
import type { Context } from "../src/client/context.ts";
import { GetCommand } from "../src/client/requests/fetch.ts";
import { Harvest, HarvestCommand } from "../src/client/requests/many.ts";
import { StoreCommand } from "../src/client/requests/store.ts";
import { lendMemory, returnMemory } from "../src/connection/memory.ts";
import type { Command } from "../src/connection/request.ts";
import { Output } from "../src/wire/output.ts";
import type { Case } from "./_measure.ts";

const COUNT = 64;
const BATCH = 36 * 1024;

// Requests are written without a look at it.
const context = {} as Context;

/** Writes commands in batches, as a connection does. */
function write(requests: readonly Command[], meta: boolean): number {
  let length = 0;
  for (let i = 0; i < requests.length;) {
    const out = new Output(lendMemory());
    while (
      i < requests.length && out.length < BATCH && out.large === undefined
    ) requests[i].encode(out, meta, 123_456 + i++);
    length += out.length + (out.large?.length ?? 0);
    returnMemory(out.bytes);
  }
  return length;
}

/** Different keys of one length in characters. */
export function keysOf(length: number, filler: string): string[] {
  return Array.from({ length: COUNT }, (_, i) => {
    const head = `user:${i}:`;
    return head + filler.repeat(length - head.length);
  });
}

function gets(length: number): Command[] {
  return keysOf(length, "k").map((key) =>
    new GetCommand("get", context, key, key, undefined, undefined)
  );
}

function sets(data: string | Uint8Array): Command[] {
  return Array.from({ length: COUNT }, (_, i) => {
    const key = `user:${123_456 + i}`;
    const head = {
      key,
      wireKey: key,
      exptime: 3600,
      flags: undefined,
      noreply: false,
      cas: undefined,
    };
    return new StoreCommand("set", head, { data, flags: 16 });
  });
}

function line(): Command[] {
  const pairs = Array.from({ length: 100 }, (_, i) => {
    const key = `user:${123_456 + i}`;
    return { key, wireKey: key };
  });
  const harvest = new Harvest(context, () => {}, () => {});
  return [new HarvestCommand("get", context, pairs, harvest)];
}

/** Makes all cases. */
export function encoderCases(): Case[] {
  const cases: Case[] = [];
  const add = (
    group: string,
    name: string,
    requests: readonly Command[],
    run: () => number,
    baseline = false,
  ) =>
    cases.push({
      ...{ group, name, baseline, run },
      ...{ count: requests.length, bytes: run() },
    });
  for (const length of [20, 200]) {
    const requests = gets(length);
    const group = `get, key of ${length} bytes`;
    add(group, "mg", requests, () => write(requests, true), true);
    add(group, "get", requests, () => write(requests, false));
  }
  const keys = line();
  add("get", "a line of 100 keys", keys, () => write(keys, false), true);
  const encoder = new TextEncoder();
  for (
    const [size, text] of [
      ["100 B", "v".repeat(100)],
      ["100 B, half of it é", `${"é".repeat(25)}${"v".repeat(50)}`],
      ["10 KiB", "v".repeat(10 * 1024)],
      ["20 KiB, half of it é", `${"é".repeat(5 * 1024)}${"v".repeat(10_240)}`],
      ["100 KiB", "v".repeat(100 * 1024)],
    ]
  ) {
    const texts = sets(text);
    const bytes = sets(encoder.encode(text));
    add(`set ${size}`, "text", texts, () => write(texts, true), true);
    add(`set ${size}`, "bytes", bytes, () => write(bytes, true));
  }
  return cases;
}
