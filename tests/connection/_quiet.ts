/**
 * Servers that answer quiet commands as told, and stores that are quiet.
 *
 * @module
 */
import type { Client, MemcacheError } from "@x/memcache";
import type { Command, Peer, Script } from "../_scripted.ts";

/** Options of a store without reply. */
export const QUIET = { noreply: true };

/** The reply to a store that memcached has no room for. */
export const REFUSED = "SERVER_ERROR out of memory storing object\r\n";

/** The opaque token of a command, with a blank before it. */
export function opaque({ args }: Command): string {
  return ` ${args.find((flag) => /^O\d+$/.test(flag))}`;
}

/** Answers quiet commands by their keys, and all others as memcached does. */
export function answers(
  byKey: Readonly<Record<string, (command: Command, peer: Peer) => string>>,
): Script {
  return (command, peer) => {
    const key = command.args[0] ?? command.name;
    const answer = Object.hasOwn(byKey, key) ? byKey[key] : undefined;
    return answer === undefined ? peer.reply(command) : answer(command, peer);
  };
}

/** What `onError` was told: the class, the command and the key of each error. */
export function told(errors: readonly MemcacheError[]): unknown[] {
  return errors.map(({ name, command, key }) => [name, command, key]);
}

/** Sends stores without reply in one turn. */
export function stores(client: Client, ...keys: string[]): Promise<boolean[]> {
  return Promise.all(keys.map((key) => client.set(key, "v", QUIET)));
}

/** Waits until the server has answered all that was sent. */
export function behind(client: Client): Promise<unknown> {
  return client.get("behind");
}
