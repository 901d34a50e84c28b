/**
 * What outages of real servers cost: the part `outage` of `deno task figures`.
 *
 * @module
 */
import { Client } from "@x/memcache";
import { KINDS } from "../../tests/chaos/_kinds.ts";
import {
  attempts,
  fleet,
  oneHashClient,
  quantile,
  restarts,
  silence,
  threeClients,
  timeouts,
} from "../../tests/chaos/_outage.ts";
import { soak } from "../../tests/chaos/_soak.ts";
import { type Figure, part } from "./_part.ts";

/** Every role starts servers of its own: it has to kill them. */
const server = "none";

const figures: Figure[] = [
  {
    name: "storm",
    server,
    role: async () => {
      const { wrong, calls, recovery } = await soak({
        kind: KINDS.hash,
        seconds: 20,
        seed: Date.now() % 1_000_000,
      });
      for (const text of wrong.slice(0, 10)) console.error(text);
      return { wrong: wrong.length, late: calls.slowest.ms, recovery };
    },
    rows: {
      wrong: {
        what: "20 s of faults: wrong values, false results, calls too late",
        unit: "",
        bar: 0,
      },
      late: {
        what: "20 s of faults: slowest call past its timeout",
        unit: "ms",
        bar: 100,
      },
      recovery: {
        what: "20 s of faults: all keys usable after the last one",
        unit: "ms",
        bar: 1500,
      },
    },
  },
  {
    name: "timeouts",
    server,
    role: async () => {
      const { late, early } = await timeouts(4);
      return { late, early };
    },
    rows: {
      late: { what: "a frozen server: latest timeout", unit: "ms", bar: 50 },
      early: {
        what: "a frozen server: earliest timeout",
        unit: "ms early",
        bar: 1,
      },
    },
  },
  {
    name: "restarts",
    server,
    role: async () => {
      const downs = Array.from({ length: 11 }, (_, i) => i * 60);
      const { waits, lost } = await restarts(downs);
      return { median: quantile(waits, 0.5), most: Math.max(...waits), lost };
    },
    rows: {
      median: {
        what: "restart: first good call, median of 11",
        unit: "ms",
        bar: 250,
      },
      most: { what: "restart: first good call, latest of 11", unit: "ms" },
      lost: {
        what: "idle connections closed by the server: failed calls of 22",
        unit: "",
        bar: 0,
      },
    },
  },
  {
    name: "attempts",
    server,
    role: async () => {
      const { first, perSecond } = await attempts(
        (server, dial) => new Client(server, { dial }),
        8,
      );
      return { first, perSecond };
    },
    rows: {
      first: {
        what: "server down: attempts to connect in 2 s of load",
        unit: "",
        bar: 20,
      },
      perSecond: {
        what: "server down: attempts a second after that",
        unit: "",
        bar: 1.5,
      },
    },
  },
  {
    name: "fleet",
    server,
    role: async () => {
      const { spread, last } = await fleet(50, 1000);
      return { spread, short: Math.max(0, 100 - spread), last };
    },
    rows: {
      spread: { what: "50 clients come back: first to last", unit: "ms" },
      short: {
        what: "50 clients come back: short of 100 ms by",
        unit: "ms",
        bar: 0,
      },
      last: {
        what: "50 clients come back: the last one",
        unit: "ms",
        bar: 1500,
      },
    },
  },
  {
    name: "silence",
    server,
    role: async () => {
      const { p99, before } = await silence(threeClients, 5000);
      return { p99, before };
    },
    rows: {
      p99: {
        what: "one silent server of three: p99 of the others, three clients",
        unit: "ms",
        bar: 25,
      },
      before: { what: "no silent server: the same", unit: "ms" },
    },
  },
  {
    name: "silence-hash",
    server,
    role: async () => {
      const { p99, before } = await silence(oneHashClient, 5000);
      return { p99, before };
    },
    rows: {
      p99: {
        what: "one silent server of three: p99 of the others, HashClient",
        unit: "ms",
        bar: 25,
      },
      before: { what: "no silent server: the same, HashClient", unit: "ms" },
    },
  },
];

await part(figures, { none: () => Promise.resolve({ address: "none" }) });
