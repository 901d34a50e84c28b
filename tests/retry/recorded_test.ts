/**
 * What pymemcache's RetryingClient was recorded to do on the wire.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Client, rawSerde, RetryingClient } from "@x/memcache";
import { test } from "../_runtime.ts";
import { type Command, withServer } from "../_scripted.ts";
import { readVectors } from "../_vectors.ts";
import { text } from "../conformance/stage.ts";

type Tagged = { t: string; v: string | boolean };
interface Step {
  readonly method: string;
  readonly args: readonly Tagged[];
  readonly recv: readonly (string | object)[];
  readonly sent: string;
  readonly raises?: string;
  readonly returns?: Tagged;
}
interface Case {
  readonly id: string;
  readonly test: string;
  readonly steps: readonly Step[];
}

const { cases } = readVectors<{ cases: readonly Case[] }>(
  "wire_suite_unit.json",
);
/** Those whose first attempt fails by a reply, not by a mock that throws. */
const RETRIED = cases.filter(({ test, steps }) =>
  test.startsWith("test_client_retry.py::") && steps[0].raises !== undefined &&
  steps.every(({ recv }) => recv.every((piece) => typeof piece === "string"))
);

function shown(value: unknown): unknown {
  return value instanceof Uint8Array ? text(value) : value;
}

test("RetryingClient repeats what pymemcache's repeats", async () => {
  assertEquals(RETRIED.length, 4);
  for (const { id, steps } of RETRIED) {
    const replies = steps.map(({ recv }) => recv.join(""));
    const sent: string[] = [];
    const note = ({ line, data, name }: Command): string => {
      sent.push(name === "set" ? `${line}\r\n${data}\r\n` : `${line}\r\n`);
      return replies[sent.length - 1];
    };
    await withServer({ command: note }, async ({ address }) => {
      const client = new RetryingClient(
        new Client(address, { protocol: "classic", serde: rawSerde }),
      );
      const [key, value] = steps[0].args.map(({ v }) => v);
      const outcome = steps[0].method === "set"
        ? await client.set(String(key), value)
        : shown(await client.get(String(key)));
      const { returns } = steps[1];
      assertEquals(outcome, returns?.t === "none" ? undefined : returns?.v, id);
      assertEquals(sent, steps.map((step) => step.sent), id);
      await client.close();
    });
  }
});
