/** How benches take turns: whoever is compared runs once a round, and figures are kept by round. */
export {
  runRounds,
  type Failure,
  type Named,
  type RoundsInit,
  type WithRounds,
} from './run-rounds.ts';
