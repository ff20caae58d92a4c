#!/usr/bin/env node
import { launch } from '../src/cli/launch.js';

await launch(import.meta.url, 'seeder');
