import { assertEquals } from "@std/assert";
import { test } from "../_runtime.ts";
import { optionsOf, PAIRS, readCases, sendOf } from "./_pairs.ts";
import { LoneSession } from "./_session.ts";

/** The beginnings of requests that are answered otherwise when cut, and why. */
const CUT_EXCEPTIONS: ReadonlyMap<string, string> = new Map([
  [
    "zzzzzzzz",
    "an unknown command of 3000 bytes: memcached too closes the connection " +
    "if more than 2048 bytes have come without a line end",
  ],
]);

const random = seeded(20_240_101);
const CUTS: Readonly<Record<string, (left: number) => number>> = {
  "whole": (left) => left,
  // But for the values of a megabyte and more.
  "byte by byte": (left) => left > 100_000 ? 65_536 : 1,
  "at random": (left) => Math.ceil(random() * (random() < 0.5 ? 8 : left)),
};

for (const file of Object.keys(PAIRS)) {
  test(`Session answers ${file} the same however the bytes are cut`, () => {
    for (const [name, cut] of Object.entries(CUTS)) {
      for (const recorded of readCases(file)) {
        const { id, steps } = recorded;
        const session = new LoneSession(optionsOf(recorded));
        for (const step of steps) {
          if (step.wait_s !== undefined) {
            session.advance(step.wait_s);
            continue;
          }
          const send = sendOf(step);
          const except = CUT_EXCEPTIONS.has(send.slice(0, 8));
          if (name !== "whole" && except) continue;
          assertEquals(session.ask(send, cut), step.recv, `${id}, ${name}`);
          assertEquals(session.closed, step.closed ?? false, id);
        }
      }
    }
  }, { timeout: 60_000 });
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
