/**
 * Turns the package.json of the checkout into one of what a server needs at run time, with the
 * drivers of PostgreSQL; beside the lock file, `npm install` then takes the locked versions.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const whole = JSON.parse(readFileSync('package.json', 'utf8'));
const { name, version, type, dependencies, peerDependencies } = whole;
const needed = { ...dependencies, ...peerDependencies };
writeFileSync(
  'package.json',
  JSON.stringify({ name, version, type, private: true, dependencies: needed }),
);
