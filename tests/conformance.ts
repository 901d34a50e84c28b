/**
 * The behaviour of every client, written once: run over each kind of client,
 * each kind of server and each protocol.
 *
 * `conformance/servers.ts` has the servers: see `conformance_test.ts`.
 *
 * @module
 */
import { test, type TestOptions } from "./_runtime.ts";
import { ABORTS } from "./conformance/aborts.ts";
import { CACHE } from "./conformance/cache.ts";
import { COUNTERS } from "./conformance/counters.ts";
import { ERRORS } from "./conformance/errors.ts";
import { FLOW } from "./conformance/flow.ts";
import { INJECTION } from "./conformance/injection.ts";
import { ITEMS } from "./conformance/items.ts";
import { KEYS } from "./conformance/keys.ts";
import { LIFE } from "./conformance/life.ts";
import { MANY } from "./conformance/many.ts";
import { META } from "./conformance/meta.ts";
import { MISSES } from "./conformance/misses.ts";
import { NOREPLY } from "./conformance/noreply.ts";
import { READS } from "./conformance/reads.ts";
import { SERDES } from "./conformance/serdes.ts";
import { SERVER } from "./conformance/server.ts";
import {
  type Behaviour,
  type Behaviours,
  type Make,
  type ServerBehaviours,
  setStage,
  type Traits,
} from "./conformance/stage.ts";
import { STORES } from "./conformance/stores.ts";
import { ENDS, TTL } from "./conformance/ttl.ts";
import { VALUES } from "./conformance/values.ts";

export type { Made, Make, Traits } from "./conformance/stage.ts";

const EVERYWHERE: readonly Behaviours[] = [
  ...[READS, STORES, ENDS, COUNTERS, META, MANY, NOREPLY, VALUES, SERDES, KEYS],
  ...[FLOW, ABORTS, ERRORS, MISSES, LIFE, INJECTION, ITEMS],
  CACHE,
];
const ONE_SERVER: readonly ServerBehaviours[] = [TTL, SERVER];

/** How long one behaviour may take, in milliseconds. */
const LIMIT = 5000;

/**
 * Registers the suite as one test with a step for each behaviour.
 *
 * @param name What is tested.
 * @param make Makes a client of that kind, every time for the same server.
 * @param traits What is known of client and server.
 * @param options Of the test.
 */
export function conformance(
  name: string,
  make: Make,
  traits: Traits = {},
  options: TestOptions = {},
): void {
  test(`${name} behaves`, async (t) => {
    // Open all the while, so that a server that ends with its last client
    // serves them all.
    const made = await make();
    try {
      const { server, ...stage } = setStage(make, made, traits);
      await stage.client.get(stage.key());
      const act = async <S>(
        acts: ReadonlyArray<Record<string, Behaviour<S>>>,
        on: S,
      ): Promise<void> => {
        for (const behaviours of acts) {
          for (const [title, behave] of Object.entries(behaviours)) {
            if (behave.local && traits.brief) continue;
            if (traits.except !== undefined && title in traits.except) continue;
            await t.step(title, () => within(title, () => behave(on)));
          }
        }
      };
      await act(EVERYWHERE, stage);
      if (server === undefined) return;
      // Without meta the lifetime of an item is looked up among all of them.
      await server.flushAll();
      await act(ONE_SERVER, { ...stage, server });
    } finally {
      await made.close();
    }
  }, { timeout: 60_000, ...options });
}

/** Names the behaviour in its failure, and ends one that hangs. */
async function within(title: string, run: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`not settled within ${LIMIT} ms`)),
      LIMIT,
    );
  });
  try {
    await Promise.race([run(), late]);
  } catch (error) {
    // Not every runner names the step that failed.
    if (error instanceof Error) error.message = `${title}: ${error.message}`;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
