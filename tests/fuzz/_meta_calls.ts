/**
 * Calls of `client.meta`, what each sends, and what its result may be.
 *
 * @module
 */
import type { MetaGetResult } from "@x/memcache";
import type { Answer, Call, Maker, Supply } from "./_calls.ts";
import { missing, readable } from "./_calls.ts";
import { bytesOf } from "./_commands.ts";
import { makeValue } from "./_world.ts";

/** A key as text or, now and then, as bytes. */
function given({ random }: Supply, key: string): string | Uint8Array {
  return random.oneIn(3) ? bytesOf(key) : key;
}

const GET = { returnTtl: true, returnCas: true } as const;

/** What is wrong with one result of `mg`. */
function judgeGet(
  supply: Supply,
  key: string,
  { status, value, cas, ttl }: MetaGetResult,
  answers: readonly Answer[],
): string | undefined {
  if (status === "miss") {
    return answers.some((answer) => missing(key, answer))
      ? undefined
      : `a miss of ${key}`;
  }
  const fine = answers.some((answer) =>
    answer.meaning?.found?.some((item) =>
      item.key === key && item.cas === cas && item.ttl === ttl &&
      // Of an item that nobody has stored into there is no value.
      (value !== undefined || item.data === "")
    ) && (value === undefined || readable(supply, key, value, answer))
  );
  return fine ? undefined : `a value of ${key}`;
}

function get(supply: Supply): Call {
  const key = supply.random.pick(supply.keys);
  const name = given(supply, key);
  return {
    name: `meta get ${key}`,
    signatures: [`meta get ${key}`],
    noreply: false,
    start: (client, options) => client.meta.get(name, { ...GET, ...options }),
    items: (result) => itemsOf(key, result),
    judge: (result, [answers]) =>
      judgeGet(supply, key, result as MetaGetResult, answers),
  };
}

function itemsOf(
  key: string,
  result: unknown,
): Array<readonly [key: string, value: unknown]> {
  const { value } = result as MetaGetResult;
  return value === undefined ? [] : [[key, value]];
}

function getMany(supply: Supply): Call {
  const keys = Array.from(
    { length: 1 + supply.random.below(5) },
    () => supply.random.pick(supply.keys),
  );
  const entries = [...new Set(keys)].map((key) => ({
    key,
    name: given(supply, key),
  }));
  return {
    name: `meta getMany ${entries.map(({ key }) => key).join(" ")}`,
    signatures: entries.map(({ key }) => `meta get ${key}`),
    noreply: false,
    start: (client, options) =>
      client.meta.getMany(entries.map(({ name }) => [name, GET]), options),
    items: (results) =>
      (results as unknown[]).flatMap((one, i) => itemsOf(entries[i].key, one)),
    judge: (results, answers) => {
      for (const [i, { key }] of entries.entries()) {
        const [result] = (results as MetaGetResult[]).slice(i);
        const fault = judgeGet(supply, key, result, answers[i]);
        if (fault !== undefined) return fault;
      }
      return undefined;
    },
  };
}

const WORDS: Readonly<Record<string, string>> = {
  stored: "HD",
  deleted: "HD",
  notStored: "NS",
  exists: "EX",
  notFound: "NF",
};

function isSaid(answers: readonly Answer[], status: string): boolean {
  return answers.some(({ meaning }) =>
    meaning?.error !== true && meaning?.word === WORDS[status]
  );
}

function set(supply: Supply): Call {
  const { random, form } = supply;
  const key = random.pick(supply.keys);
  const data = makeValue(key, supply.version++, random, form.ascii);
  const name = given(supply, key);
  const mode = random.pick(
    ["set", "set", "add", "replace", "append", "prepend"] as const,
  );
  const compareCas = random.oneIn(4) ? random.below(12) : undefined;
  return {
    name: `ms ${key} ${mode}`,
    signatures: [`ms ${key} ${data}`],
    noreply: false,
    start: (client, options) =>
      client.meta.set(name, form.give(data), { mode, compareCas, ...options }),
    items: () => [],
    judge: (result, [answers]) => {
      const { status } = result as { status: string };
      return isSaid(answers, status) ? undefined : status;
    },
  };
}

function remove(supply: Supply): Call {
  const key = supply.random.pick(supply.keys);
  const name = given(supply, key);
  return {
    name: `md ${key}`,
    signatures: [`md ${key}`],
    noreply: false,
    start: (client, options) => client.meta.delete(name, options),
    items: () => [],
    judge: (result, [answers]) => {
      const { status } = result as { status: string };
      return isSaid(answers, status) ? undefined : status;
    },
  };
}

function count(supply: Supply): Call {
  const { random } = supply;
  const key = random.pick([...supply.keys.slice(0, 2), "n1", "n2", "n3"]);
  const delta = 1 + random.below(30);
  const name = given(supply, key);
  return {
    name: `ma ${key} ${delta}`,
    signatures: [`ma ${key} D${delta} v`],
    noreply: false,
    start: (client, options) =>
      client.meta.arithmetic(name, { delta, ...options }),
    items: () => [],
    judge: (result, [answers]) => {
      const { status, value } = result as { status: string; value?: number };
      if (value === undefined) {
        return isSaid(answers, status) ? undefined : status;
      }
      return answers.some(({ meaning }) =>
          /^\d+$/.test(meaning?.word ?? "") && Number(meaning?.word) === value
        )
        ? undefined
        : `the number ${value}`;
    },
  };
}

function debug(supply: Supply): Call {
  const key = supply.random.pick(supply.keys);
  return {
    name: `me ${key}`,
    signatures: [`me ${key}`],
    noreply: false,
    start: (client, options) => client.meta.debug(key, options),
    items: () => [],
    judge: (result, [answers]) => {
      if (result === undefined) {
        return answers.some((answer) => answer.meaning?.found?.length === 0)
          ? undefined
          : "a miss";
      }
      const { cas, size } = result as { cas: bigint; size: number };
      const fine = answers.some(({ meaning }) => {
        const facts = meaning?.lines?.[0].split(" ") ?? [];
        const is = (name: string, value: bigint | number) =>
          facts.some((fact) =>
            fact.startsWith(`${name}=`) &&
            /^\d+$/.test(fact.slice(name.length + 1)) &&
            BigInt(fact.slice(name.length + 1)) === BigInt(value)
          );
        return is("cas", cas) && is("size", size);
      });
      return fine ? undefined : "facts";
    },
  };
}

function noop(): Call {
  return {
    name: "meta noop",
    // A probe or a fence looks the same, and so does its answer.
    signatures: ["a noop of the caller's"],
    noreply: false,
    start: (client, options) => client.meta.noop(options),
    items: () => [],
    judge: () => undefined,
  };
}

/** Some of each kind. */
export const META_MAKERS: readonly Maker[] = [
  ...[get, get, get, getMany, set, set, remove, count, debug, noop],
];
