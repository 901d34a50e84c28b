import { assertEquals } from "@std/assert";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { readVectors } from "../_vectors.ts";
import type { MemcachedServerOptions } from "../../src/testing/options.ts";
import { RawClient } from "./_raw.ts";
import { LoneSession } from "./_session.ts";

type Part = string | { readonly rep: string; readonly n: number };

interface Step {
  readonly send?: string;
  readonly send_parts?: readonly Part[];
  readonly recv: string;
  readonly closed?: boolean;
  readonly wait_s?: number;
}

interface Case {
  readonly id: string;
  readonly server_args?: readonly string[];
  readonly steps: readonly Step[];
}

const FILES = ["classic_pairs", "meta_pairs", "meta_random_pairs"] as const;
const PAIRS = { classic_pairs: 224, meta_pairs: 461, meta_random_pairs: 576 };

/**
 * What is not answered as memcached 1.6.18 did. All pairs are, times and
 * versions included, those marked as not deterministic too, when they come
 * whole.
 */
const CUT_EXCEPTIONS: ReadonlyMap<string, string> = new Map([
  [
    "zzzzzzzz",
    "an unknown command of 3000 bytes: memcached too closes the connection " +
    "if more than 2048 bytes have come without a line end",
  ],
]);

/** The server's options for memcached's arguments. */
const ARGS: Readonly<Record<string, MemcachedServerOptions>> = {
  "-A": { allowShutdown: true },
  "-F": { flush: false },
  "-C": { cas: false },
};

for (const file of FILES) {
  const cases = readVectors<{ cases: Case[] }>(`${file}.json`).cases;

  test(
    `MemcachedServer answers ${file} byte for byte over a socket`,
    async () => {
      let pairs = 0;
      for (const { id, server_args, steps } of cases) {
        let now = 1_700_000_000_500;
        const server = await MemcachedServer.start({
          ...optionsOf(server_args),
          now: () => now,
        });
        const client = await RawClient.connect(server);
        for (const step of steps) {
          if (step.wait_s !== undefined) {
            now += step.wait_s * 1000;
            continue;
          }
          client.write(sendOf(step));
          const length = step.closed ? Infinity : step.recv.length;
          assertEquals(await client.read(length), step.recv, id);
          if (!step.closed) assertEquals(client.ended, false, id);
          pairs++;
        }
        assertEquals(await client.rest(), "", `${id}: more than was expected`);
        await server.close();
      }
      assertEquals(pairs, PAIRS[file]);
    },
    { timeout: 60_000 },
  );

  test(`Session answers ${file} the same however the bytes are cut`, () => {
    const random = seeded(file.length);
    const CUTS: Record<string, (left: number) => number> = {
      "whole": (left) => left,
      "byte by byte": (left) => left > 100_000 ? 65_536 : 1,
      "at random": (left) => Math.ceil(random() * (random() < 0.5 ? 8 : left)),
    };
    for (const [name, cut] of Object.entries(CUTS)) {
      for (const { id, server_args, steps } of cases) {
        const session = new LoneSession(optionsOf(server_args));
        for (const step of steps) {
          if (step.wait_s !== undefined) {
            session.advance(step.wait_s);
            continue;
          }
          const send = sendOf(step);
          if (name !== "whole" && CUT_EXCEPTIONS.has(send.slice(0, 8))) {
            continue;
          }
          assertEquals(session.ask(send, cut), step.recv, `${id}, ${name}`);
          assertEquals(session.closed, step.closed ?? false, id);
        }
      }
    }
  }, { timeout: 60_000 });
}

function optionsOf(args: readonly string[] = []): MemcachedServerOptions {
  return Object.assign({}, ...args.map((arg) => ARGS[arg]));
}

function sendOf({ send, send_parts = [] }: Step): string {
  return send ??
    send_parts.map((part) =>
      typeof part === "string" ? part : part.rep.repeat(part.n)
    ).join("");
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
