import { expect, test } from 'vitest';
import { planFrom } from '../../../seeder/rollout-options.ts';

test('single options and a plan make one plan', () => {
  const options = { rollout: 'waves=1,10%,50%,100%', maxUnavailable: '5%', gate: '60s' };
  expect(planFrom({ ...options, abortOn: '2%', goBack: false }, '10m')).toBe(
    'waves=1,10%,50%,100% deadline=10m max-unavailable=5% gate=60s abort-on=2% go-back=no',
  );
});

test('without a rollout there is no plan, and nothing to be said of one', () => {
  expect(planFrom({ goBack: true }, '10m')).toBeUndefined();
  expect(() => planFrom({ gate: '60s' })).toThrow('there is none');
});

test('what can not be a plan is refused before anything is signed', () => {
  expect(() => planFrom({ rollout: 'waves=1,10%' })).toThrow('the last wave is 100%');
  expect(() => planFrom({ rollout: 'waves=100% gate=1s', gate: '2s' })).toThrow('said twice');
});
