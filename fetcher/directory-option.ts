import { Option } from '../src/cli/index.ts';

export const directoryOption = (): Option =>
  new Option('--dir <directory>', 'where the fetcher keeps images and generations')
    .env('STARLING_DIR')
    .default('starling-fetcher');
