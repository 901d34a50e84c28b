import { assert, assertEquals } from "@std/assert";
import type { BaseClient } from "../../src/client/base_client.ts";
import {
  MemcacheConnectionError,
  MemcacheNoServersError,
} from "../../src/errors.ts";
import { test } from "../_runtime.ts";
import { toOurs } from "../recorded/_python.ts";
import {
  ALL_DIFFERENCES,
  FAILOVER_DIFFERENCES,
  type FailoverCase,
  failoverCases,
  type FailoverDifference,
  type FailoverStep,
  Model,
  type Outcome,
  recordedOutcome,
} from "./_pymemcache.ts";
import { World } from "./_world.ts";

const cases = failoverCases();

/** What a call of ours came to, in the words of the recordings. */
async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    const value = await call;
    if (value instanceof Map) return JSON.stringify([...value.keys()].sort());
    return JSON.stringify(Array.isArray(value) ? value.sort() : value);
  } catch (error) {
    if (error instanceof MemcacheConnectionError) {
      return "!ConnectionRefusedError";
    }
    if (error instanceof MemcacheNoServersError) return "!MemcacheError";
    return `!${error}`;
  }
}

function call(client: BaseClient, step: FailoverStep): Promise<unknown> {
  const [first, second] = step.args.map(toOurs);
  switch (step.method) {
    case "get":
      return client.get(String(first), { default: second });
    case "set":
      return client.set(String(first), second);
    case "delete":
      return client.delete(String(first));
    case "get_many":
      return client.getMany(first as string[]);
    case "set_many":
      return client.setMany(first as Record<string, unknown>);
  }
}

/** What pymemcache's stub servers answer. */
function stub(line: string): string {
  const [name, ...args] = line.split(" ");
  if (name === "set") return "STORED\r\n";
  if (name === "delete") return "DELETED\r\n";
  const values = args.map((key) =>
    `VALUE ${key} 16 ${key.length + 2}\r\nv:${key}\r\n`
  );
  return `${values.join("")}END\r\n`;
}

/** Runs the calls of a case with a client of ours. */
async function replay(recorded: FailoverCase): Promise<Outcome[]> {
  const world = new World(recorded.servers, {
    retryAttempts: recorded.retry_attempts,
    retryTimeout: recorded.retry_timeout * 1000,
    deadTimeout: recorded.dead_timeout * 1000,
  }, { errorsAsMisses: recorded.ignore_exc });
  for (const lane of world.lanes.values()) {
    lane.says = stub;
    lane.isLate = true;
  }
  const outcomes: Outcome[] = [];
  for (const step of recorded.steps) {
    world.time = step.t * 1000;
    world.down.clear();
    for (const server of step.down) world.down.add(server);
    const outcome = await outcomeOf(call(world.client, step));
    const { members } = world.executor;
    const named = (state: string) =>
      members.filter(({ health }) => health.state === state);
    outcomes.push({
      contacted: [...new Set(world.takeContacted())],
      outcome,
      ring: members.filter(({ health }) => health.state !== "dead")
        .map(({ name }) => name).sort(),
      failed: named("failing").map(({ name, health }) =>
        `${name} ${health.attempts}`
      ).sort(),
      dead: named("dead").map(({ name }) => name).sort(),
    });
  }
  return outcomes;
}

/** Runs the calls of a case with a model. */
function simulate(
  recorded: FailoverCase,
  differences: readonly FailoverDifference[],
): Outcome[] {
  const model = new Model(recorded, differences);
  return recorded.steps.map((step) => model.run(step));
}

test("the model does as pymemcache was recorded to do", () => {
  let calls = 0;
  for (const recorded of cases) {
    const simulated = simulate(recorded, []);
    for (const [i, step] of recorded.steps.entries()) {
      assertEquals(simulated[i], recordedOutcome(step), `${recorded.id} #${i}`);
      calls++;
    }
  }
  assertEquals([cases.length, calls], [24, 672]);
});

test("HashClient does as pymemcache, but for the listed differences", async () => {
  let same = 0;
  for (const recorded of cases) {
    const expected = simulate(recorded, ALL_DIFFERENCES);
    const observed = await replay(recorded);
    for (const [i, step] of recorded.steps.entries()) {
      const where = `${recorded.id} #${i}, ${step.method} at ${step.t}`;
      assertEquals(observed[i], expected[i], where);
      const was = recordedOutcome(step);
      if (JSON.stringify(was) === JSON.stringify(observed[i])) same++;
    }
  }
  console.log(`${same} of 672 calls the same, 0 unexplained`);
});

test("every listed difference is one, and has its reason", () => {
  for (const difference of ALL_DIFFERENCES) {
    let calls = 0;
    const touched = cases.filter((recorded) => {
      const before = simulate(recorded, []);
      const after = simulate(recorded, [difference]);
      const changed = after.filter((outcome, i) =>
        JSON.stringify(outcome) !== JSON.stringify(before[i])
      );
      calls += changed.length;
      return changed.length > 0;
    });
    const { name, why } = FAILOVER_DIFFERENCES[difference];
    console.log(
      `${String(touched.length).padStart(3)} cases, ${
        String(calls).padStart(3)
      } calls  ${name} (${why})`,
    );
    assert(touched.length > 0, difference);
  }
});
