import { Option, repeatable } from '../src/cli/index.ts';

/** Not the fleet's tracker: one that BitTorrent clients announce at. */
export const torrentTrackerOption = (): Option =>
  repeatable(
    new Option(
      '--tracker <url>',
      "a BitTorrent tracker's announce URL; may be given several times",
    ),
  ).env('STARLING_TORRENT_TRACKER');
