/**
 * The one list of deliberate differences from what was recorded, and what is
 * expected of us in consequence.
 *
 * @module
 */
import { inflateSync } from "node:zlib";
import { bytes } from "../_vectors.ts";
import type { Case, Step } from "./_cases.ts";
import { ADDRESS_DIFFERENCES } from "./_differences_addresses.ts";
import { INPUT_DIFFERENCES } from "./_differences_input.ts";
import { REPLY_DIFFERENCES } from "./_differences_replies.ts";
import { latin1 } from "./_python.ts";
import { CLIENTS, serversOf } from "./_clients.ts";
import { AFTERMATH, CLUSTER_AFTERMATH, type Observed } from "./_replay.ts";

/** What is otherwise in one call. */
export type Change = Partial<
  Pick<Step, "reply" | "sent" | "outcome" | "open">
>;

/** One entry of the list. */
export interface Difference {
  /** What we do. */
  readonly name: string;
  /** Why. */
  readonly why: string;
  /** The clients, by the recordings' names, that it is about. */
  readonly clients: readonly string[];
  /** What is otherwise in a call, if anything is. */
  readonly change: (step: Step, recorded: Case) => Change | undefined;
}

/** All deliberate differences. */
export const DIFFERENCES: readonly Difference[] = [
  ...REPLY_DIFFERENCES,
  ...INPUT_DIFFERENCES,
  ...ADDRESS_DIFFERENCES,
];

/** The entries that a case is matched by: none, or one. */
export function differencesOf(recorded: Case): Difference[] {
  // What holds for one client holds for its kin: the commands are the same.
  const client = CLIENTS.includes(recorded.client) ? "Client" : recorded.client;
  return DIFFERENCES.filter(({ clients, change }) =>
    (clients.includes(client) || clients.includes(recorded.client)) &&
    recorded.steps.some((step) => change(step, recorded) !== undefined)
  );
}

/** A case with what is expected of us, the call that ends it included. */
export function expectedOf(recorded: Case): Step[] {
  const [difference] = differencesOf(recorded);
  const counted = recorded.steps.some((step) => step.open !== undefined);
  const steps: Step[] = [];
  let open = false;
  const isCluster = serversOf(recorded).length > 1;
  const aftermath = isCluster ? CLUSTER_AFTERMATH : AFTERMATH;
  for (const step of [...recorded.steps, aftermath]) {
    const last = step === aftermath;
    const change = last ? undefined : difference?.change(step, recorded);
    const changed: Step = {
      ...step,
      ...change,
      open: counted && last ? true : change?.open ?? step.open,
    };
    // Whoever sends, and has no connection, opens one.
    const connects = changed.sent !== "" && !open ? 1 : 0;
    steps.push({
      ...changed,
      connects: !counted
        ? undefined
        : difference === undefined
        ? step.connects ?? connects
        : connects,
    });
    open = changed.open ?? false;
    if (step.method === "constructor" && changed.outcome !== "none") break;
  }
  return steps;
}

/** Says what was observed otherwise than expected, call by call. */
export function mismatches(
  { file, id, options }: Case,
  expected: readonly Step[],
  observed: readonly Observed[],
): string[] {
  const plain = /compress/i.test(String(options.serde))
    ? inflated
    : (sent: string) => sent;
  const found = expected.flatMap((step, index) => {
    const { method } = step;
    const seen = observed[index];
    if (seen === undefined) return [`${method}: not called`];
    const pairs: ReadonlyArray<readonly [string, unknown, unknown]> = [
      ["sent", plain(step.sent), plain(seen.sent)],
      ["outcome", step.outcome, seen.outcome],
      ["open", step.open ?? seen.open, seen.open],
      ["connects", step.connects ?? seen.connects, seen.connects],
    ];
    return pairs.filter(([, wanted, got]) => wanted !== got).map((
      [what, wanted, got],
    ) => `${method}: ${what} is ${shown(got)}, expected is ${shown(wanted)}`);
  });
  return found.map((text) => `${file}, ${id}, ${text}`);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

/** A command with its value inflated: each zlib has bytes of its own. */
function inflated(sent: string): string {
  const head = /^([a-z]+ [^ ]+ (\d+) [^ ]+) (\d+)\r\n/.exec(sent);
  if (head === null || (Number(head[2]) & 8) === 0) return sent;
  const value = sent.slice(head[0].length, head[0].length + Number(head[3]));
  return `${head[1]} ${latin1(inflateSync(bytes(value)))}`;
}
