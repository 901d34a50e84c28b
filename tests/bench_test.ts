/**
 * The comparison of bench/compare works, without the packages from npm: it
 * measures our client and the floor, and takes no wrong answer.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  barRows,
  barTable,
  judge,
  multipleRows,
} from "../bench/compare/bars.ts";
import { draw } from "../bench/compare/chart.ts";
import type { Contender } from "../bench/compare/contenders.ts";
import { origin } from "../bench/compare/pages.ts";
import type { Row } from "../bench/compare/program.ts";
import {
  bestPeer,
  join,
  replace,
  type Result,
  type RuntimeResult,
  table,
} from "../bench/compare/result.ts";
import {
  makeItems,
  runScenario,
  type Scenario,
  SCENARIOS,
  store,
  WrongAnswer,
} from "../bench/compare/scenarios.ts";
import { median, quantile, spread } from "../bench/compare/statistics.ts";
import { execute } from "../tools/runners.ts";
import { needsMemcached } from "./_memcached.ts";
import { test } from "./_runtime.ts";

function find(name: string): Scenario {
  const scenario = SCENARIOS.find((known) => known.name === name);
  assert(scenario !== undefined, name);
  return scenario;
}

/** A client of the contenders' kind whose memory is a `Map`. */
function remember(): Contender & { readonly stored: Map<string, string> } {
  const stored = new Map<string, string>();
  const bytes = new TextEncoder();
  const set = (key: string, value: string) => {
    stored.set(key, value);
    return Promise.resolve(true);
  };
  const get = (key: string) => Promise.resolve(stored.get(key));
  return {
    ...{ name: "memory", version: "", silent: true, stored, get, set },
    store: set,
    getBytes: async (key) => bytes.encode(await get(key)),
    setBytes: (key, value) => set(key, new TextDecoder().decode(value)),
    getMany: (keys) =>
      Promise.resolve(new Map(keys.map((key) => [key, stored.get(key)!]))),
    close: () => Promise.resolve(),
  };
}

for (const { kind, name } of SCENARIOS) {
  if (["set", "late", "codec", "idle"].includes(kind)) continue;

  test(`runScenario() refuses a wrong answer under ${name}`, async () => {
    const known = find(name);
    const scenario = { ...known, items: Math.min(known.items, 200) };
    const items = makeItems("t", scenario);
    const api = remember();
    await store(api, items, kind === "bytes");
    assert(await runScenario(scenario, api, items, 500) >= 500);
    // Each key has its neighbour's value, of the same length.
    const { get } = api;
    const confused: Contender = {
      ...api,
      get: (key) => get(neighbour(key)),
      getBytes: (key) => api.getBytes(neighbour(key)),
      getMany: () =>
        Promise.resolve({ get: (key) => api.stored.get(neighbour(key)) }),
    };
    await assertRejects(
      () => runScenario(scenario, confused, items, 500),
      WrongAnswer,
    );
    const forgetful: Contender = {
      ...api,
      get: () => Promise.resolve(undefined),
      getBytes: () => Promise.resolve(undefined),
      getMany: () => Promise.resolve(new Map()),
    };
    await assertRejects(
      () => runScenario(scenario, forgetful, items, 500),
      WrongAnswer,
      "a miss",
    );
  });
}

function neighbour(key: string): string {
  return key.replace(/\d$/, (digit) => `${(Number(digit) + 1) % 10}`);
}

test("quantile() and spread() are taken between the values", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 2, 3]), 2.5);
  assertEquals(quantile([10, 20, 30, 40, 50], 0.25), 20);
  assertEquals(spread([10, 20, 30, 40, 50]), 1 / 3);
});

function row(
  scenario: string,
  contender: string,
  values: number[],
  cpu: number[] = [],
): Row {
  return { scenario, contender, values, cpu };
}

test("judge() compares within rounds, with the peer that has the best median", () => {
  const rows = [
    row("get64", "ours", [700, 1400, 2100], [1, 1, 1]),
    row("get64", "floor", [1000, 1000, 1000], [1, 1, 1]),
    row("get64", "memjs", [100, 200, 300], [10, 10, 10]),
    row("get64", "memcache", [90, 199, 500], [5, 5, 5]),
    row("decodeVA", "ours", [100, 110, 120]),
    row("decodeVA", "memcache-parser", [1100, 1210, 1320]),
  ];
  assertEquals(bestPeer(rows, "get64")?.contender, "memjs");
  const result: RuntimeResult = { runtime: "node 26.0.0", pinned: true, rows };
  const figures = judge(result).map(({ scenario, against, figure, met }) =>
    [scenario, against, figure, met] as const
  );
  assertEquals(figures, [
    ["get64", "peer", 7, true],
    ["get64", "peer's CPU", 0.1, true],
    ["get64", "floor", 1.4, true],
    ["decodeVA", "limit", 110, true],
    ["decodeVA", "peer", 11, true],
  ]);
  assert(barTable(result).includes("5 met, 0 missed"));
  assert(table(result).includes("memcache-parser"));
});

test("join() keeps a failure beside the rounds of other processes", () => {
  const failed: Row = { ...row("value1m", "memcached", []), error: "late" };
  const rows = join([
    [row("value1m", "ours", [1], [2]), failed],
    [row("value1m", "ours", [3], [4]), row("value1m", "memcached", [9])],
  ]);
  assertEquals(rows[0], row("value1m", "ours", [1, 3], [2, 4]));
  assertEquals(rows[1].error, "late");
  assertEquals(bestPeer(rows, "value1m"), undefined);
});

test("replace() takes the newer rows of a scenario, and keeps the others", () => {
  const old = [
    row("get1", "ours", [1]),
    row("get64", "ours", [2]),
    row("get64", "memjs", [3]),
  ];
  const newer = [row("get64", "ours", [4])];
  const of = (rows: Row[]) => [{ runtime: "bun 1.4.5", pinned: true, rows }];
  assertEquals(replace(of(old), of(newer)), of([old[0], newer[0]]));
  assertEquals(replace(of(old), []), of(old));
});

test("barRows() has a row for every bar, measured or not", () => {
  const of = (...rows: Row[]) => ({
    ...{ date: "", command: "", server: "", machine: "", versions: {} },
    ...{ processes: 1, rounds: 1, time: 1 },
    runtimes: [{ runtime: "bun 1.4.5", pinned: true, rows }],
  });
  const [, ...none] = barRows(of());
  const [, ...one] = barRows(of(row("skipVA", "ours", [50])));
  assertEquals(none.map(([what]) => what), one.map(([what]) => what));
  assert(none.every(([, , figure]) => figure === "no figure"));
  assertEquals(
    one.filter(([, , figure]) => figure !== "no figure").map((row) =>
      row.slice(1)
    ),
    [["at most 45 ns", "50 ns, **missed**"]],
  );
});

const ROOT = `${import.meta.dirname}/..`;
const FOLDER = `${ROOT}/bench/results`;

async function kept(): Promise<Result> {
  return JSON.parse(await Deno.readTextFile(`${FOLDER}/compare.json`));
}

test("draw() makes the chart that is shown of the result that is kept", async () => {
  const result = await kept();
  const chart = await Deno.readTextFile(`${FOLDER}/compare.svg`);
  assertEquals(draw(result), chart);
  // What cannot be drawn would be such a number.
  assert(!/NaN|Infinity|undefined/.test(chart));
});

test("draw() shows another figure for another result", async () => {
  const result = await kept();
  const ours = result.runtimes[0].rows.find(({ contender, scenario }) =>
    contender === "ours" && scenario === "get64"
  )!;
  ours.values.fill(123_456);
  const chart = draw(result);
  assert(chart.includes(">123k</text>"));
});

test("draw() says where there is no figure", async () => {
  const result = await kept();
  for (const row of result.runtimes[0].rows) row.error = "none";
  assert(draw(result).includes("no figure"));
});

/** The cells of the table between the marks of a page. */
async function tableOf(page: string, name: string): Promise<string[][]> {
  const text = await Deno.readTextFile(`${ROOT}/${page}`);
  const [, part] = text.split(`<!-- ${name} -->`);
  const [table] = part.split(`<!-- end of ${name} -->`);
  return table.split("\n")
    .filter((line) => line.startsWith("|") && !/^\|[ |:-]+\|$/.test(line))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

for (
  const [page, name, rowsOf] of [
    ["README.md", "multiples", multipleRows],
    ["SPEED.md", "bars", barRows],
  ] as const
) {
  test(`${page} shows the figures of the result that is kept`, async () => {
    const result = await kept();
    assertEquals(await tableOf(page, name), rowsOf(result));
    const text = await Deno.readTextFile(`${ROOT}/${page}`);
    assert(text.replace(/\s+/g, " ").includes(origin(result)));
  });
}

test("bench:compare measures our client and the floor", async () => {
  const file = await Deno.makeTempFile({ suffix: ".json" });
  try {
    const names = [
      ...["get1", "get64", "stagger64", "set64", "mix64", "getMany100"],
      ...["noreply10k", "value100k", "bytes1m"],
    ];
    const codec = ["skipVA", "skipVALUE"];
    const { code, output } = await execute(Deno.execPath(), [
      ...["run", "-A", "bench/compare/run.ts", "--contenders=ours,floor"],
      ...[
        `--only=${[...names, ...codec].join(",")}`,
        "--rounds=1",
        "--time=5",
        "--bars",
      ],
      `--json=${file}`,
    ]);
    assertEquals(code, 0, output);
    const result: Result = JSON.parse(await Deno.readTextFile(file));
    const [{ rows }] = result.runtimes;
    assertEquals(
      rows.map(({ scenario, contender }) => `${scenario} ${contender}`),
      [
        ...names.flatMap((name) => [`${name} ours`, `${name} floor`]),
        ...codec.map((name) => `${name} ours`),
      ],
    );
    for (const { scenario, values, cpu, error } of rows) {
      assertEquals(error, undefined);
      assert(values.every((value) => value > 0));
      if (codec.includes(scenario)) assert(values.length > 1);
      else assert(values.length === 1 && cpu[0] > 0);
    }
    assert(output.includes("get64       at least 0.70 ×"), output);
  } finally {
    await Deno.remove(file);
  }
}, { ...needsMemcached, timeout: 90_000 });
