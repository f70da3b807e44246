import { parse } from 'yaml';
import { z } from 'zod';
import { text } from './markdown.ts';

/** The terms under which the model of a dataset was given, as the front matter of its own card says. */

export interface ModelTerms {
  /** The model's name, for people. */
  readonly name: string;
  readonly license: string | null;
  readonly licenseLink: string | null;
  /** Terms of access that users of the model accepted. */
  readonly prompt: string | null;
}

const scalar = z.string().trim().min(1).max(65_536).optional().catch(undefined);
const frontSchema = z.looseObject({
  license: scalar,
  license_name: scalar,
  license_link: scalar,
  extra_gated_prompt: scalar,
});

/** Reads a model card, which anyone may have written; null where it states no terms. */
export function parseModelTerms(name: string, card: string): ModelTerms | null {
  const [, matter] = /^---\r?\n([\s\S]{1,262144}?)\r?\n---(\r?\n|$)/.exec(card) ?? [];
  if (matter === undefined) return null;
  const parsed = frontSchema.safeParse(parsedYaml(matter));
  if (!parsed.success) return null;
  const { license, license_name: label, license_link: link, extra_gated_prompt: prompt } = parsed.data;
  if (!license && !label && !prompt) return null;
  const own = license === 'other' || license === undefined ? (label ?? license) : license;
  return { name, license: own ?? null, licenseLink: link ?? null, prompt: prompt ?? null };
}

function parsedYaml(matter: string): unknown {
  try {
    return parse(matter, { maxAliasCount: 10 });
  } catch {
    return null;
  }
}

/** A paragraph for the card. */
export function describeTerms({ name, license, licenseLink, prompt }: ModelTerms): string {
  const under = license ? `its license is ${text(license)}${licenseLink ? ` (${text(licenseLink)})` : ''}` : '';
  const agreed = prompt
    ? 'who uses it agreed to terms of access, which readers of this dataset are asked to accept, too'
    : '';
  const said = [under, agreed].filter((part) => part !== '').join('; ');
  return `The images were sampled from ${text(name)}: ${said}.`;
}
