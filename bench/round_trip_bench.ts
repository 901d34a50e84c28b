/**
 * Calls to a real memcached and back, beside the clients from npm. One
 * iteration does as many operations as its group says. No threads are pinned
 * here: for ratios that repeat there is `deno task bench:compare`.
 */
import { startMemcached } from "../tests/_memcached.ts";
import * as memcache from "../mod.ts";
import {
  type Contender,
  openOurs,
  openPeer,
  PEERS,
} from "./compare/contenders.ts";
import { install, PACKAGES } from "./compare/install.ts";
import {
  type Items,
  makeItems,
  runScenario,
  SCENARIOS,
  store,
} from "./compare/scenarios.ts";

const NAMES = ["get1", "get64", "stagger64", "set64", "mix64", "getMany100"];

// It ends with this process.
const { port } = await startMemcached();
const contenders = [openOurs("ours", memcache, port)];
if (await install()) {
  contenders.push(...PEERS.map((name) => openPeer(name, PACKAGES, port)));
}
const items = new Map<Contender, Items>();
for (const [i, contender] of contenders.entries()) {
  const own = makeItems(`c${i}`, SCENARIOS[0]);
  await store(contender, own, false);
  items.set(contender, own);
}
for (const scenario of SCENARIOS) {
  if (!NAMES.includes(scenario.name)) continue;
  const count = Math.max(scenario.callers, scenario.batch);
  for (const contender of contenders) {
    Deno.bench(contender.name, {
      group: `${scenario.title} (${count})`,
      baseline: contender.name === "ours",
    }, async () => {
      await runScenario(scenario, contender, items.get(contender)!, count);
    });
  }
}
