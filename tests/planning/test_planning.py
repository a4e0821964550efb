"""Plans count the memory, the work and the time of a step on TPUs."""

import json
import math
import re

import jax
import jax.numpy as jnp
import pytest
from jax import export

from experiments.configs import faces
from tests import devices, small
from vaegan_jax.config import schema
from vaegan_jax.data import batches
from vaegan_jax.planning import hlo, plans, roofline, text
from vaegan_jax.training import setup

# A shortened program that XLA compiled for TPUs.
PROGRAM = """
HloModule jit_step, is_scheduled=true

%fused (param_0: u8[100,12288]) -> u8[8,12288] {
  ROOT %gather.1 = u8[8,12288]{1,0:T(8,128)(4,1)} gather(%param_0, %param_1)
}

%body (carried: f32[8,128]) -> f32[8,128] {
  %carried = f32[8,128]{1,0:T(8,128)} parameter(0)
  ROOT %twice = f32[8,128]{1,0:T(8,128)} add(%carried, %carried)
}

ENTRY %main (data: u8[100,12288], w: f32[16,3]) -> f32[16,3] {
  %w = f32[16,3]{1,0:T(8,128)} parameter(2)
  %drawn = u8[8,12288]{1,0:T(8,128)(4,1)S(1)} fusion(%data), \
kind=kLoop, calls=%fused, backend_config={"estimated_cycles":"70"}
  %copy-start.1 = (f32[16,3]{1,0:T(8,128)S(1)}, f32[16,3]{1,0:T(8,128)}, \
u32[]{:S(2)}) copy-start(%w)
  %copy-done.1 = f32[16,3]{1,0:T(8,128)S(1)} copy-done(%copy-start.1)
  %slice-start.1 = ((f32[16,3]{1,0:T(8,128)}), f32[8,3]{1,0:T(8,128)S(1)}, \
s32[]{:S(2)}) slice-start(%w), slice={[0:8], [0:3]}
  %near = f32[16,3]{1,0:T(8,128)S(1)} negate(%copy-done.1), \
backend_config={"estimated_cycles":"5"}
  %loop = f32[8,128]{1,0:T(8,128)} while(%first), condition=%c, body=%body
  %sum = (f32[16,3]{1,0:T(8,128)S(1)}, /*index=1*/f32[]{:T(128)}) \
all-reduce(%near, %one), channel_id=1, to_apply=%add
  %whole-start = (f32[4,3]{1,0:T(8,128)}, f32[16,3]{1,0:T(8,128)}) \
all-gather-start(%quarter), dimensions={0}
  %whole = f32[16,3]{1,0:T(8,128)} all-gather-done(%whole-start)
  %quarter = f32[4,3]{1,0:T(8,128)S(1)} reduce-scatter(%near), dimensions={0}
  ROOT %out = f32[16,3]{1,0:T(8,128)} all-reduce(%whole)
}
"""
WHERE = roofline.parse('v5e:2x2')


def test_traffic_pads_tiles_and_excludes_the_memory_on_the_chip():
  copied = 16 * 128 * 4  # three numbers fill a row of a tile of 8 by 128
  sliced = 8 * 128 * 4
  loop = 2 * 8 * 128 * 4  # the body, once
  counted = hlo.traffic(PROGRAM, devices=4)
  assert (counted.hbm_bytes, counted.cycles) == (copied + sliced + loop, 75)
  assert counted.collectives == (
    ('all-reduce', 16 * 3 * 4 + 4),
    ('all-gather', 16 * 3 * 4),
    ('reduce-scatter', 16 * 3 * 4),
    ('all-reduce', 16 * 3 * 4),
  )


def test_a_text_that_is_not_a_program_is_refused():
  with pytest.raises(ValueError, match='ENTRY'):
    hlo.traffic('module @jit_step', devices=8)


def test_the_least_time_is_the_larger_of_work_and_memory_plus_exchange():
  # v5e: 197 TFLOP/s, 819 GB/s; 2x2: a link along each axis, of 50 GB/s.
  least = made(256).least
  assert least == pytest.approx((1e-3, 10e-3, 15e-3))
  assert least.total == pytest.approx(25e-3)


@pytest.mark.parametrize(
  ('topology', 'links', 'hops'),
  [
    ('v5e:1x1', 0, 0),
    ('v5e:4x4', 2, 6),
    ('v5e:8x16', 3, 7 + 8),
    ('v5e:16x16', 4, 16),
    ('v4:2x2x4', 3, 1 + 1 + 3),
    ('v5p:4x4x8', 6, 2 + 2 + 4),
  ],
)
def test_whole_axes_are_rings_and_others_lines(topology, links, hops):
  where = roofline.parse(topology)
  assert (where.links(), where.hops()) == (links, hops)
  assert where.name == topology


def test_an_exchange_takes_the_time_of_its_bytes_or_of_its_hops():
  kinds = ('all-reduce', 'all-gather', 'collective-permute')
  sent = [hlo.Collective(kind, 400).sent(4) for kind in kinds]
  assert sent == [600, 300, 400]
  tiny = hlo.Collective('all-reduce', 4)
  pod = roofline.parse('v5e:16x16')
  assert roofline.exchange(pod, tiny) == pytest.approx(32e-6)
  assert roofline.exchange(roofline.parse('v5e:1x1'), tiny) == 0


@pytest.mark.parametrize(
  ('topology', 'message'),
  [
    ('v5e', '1x1, 2x2'),
    ('v5e:3x3', '8x16, 16x16'),
    ('v5p:4x4', '2x2x1'),
    ('v7:4x4', 'v4, v5e, v5p, v6e'),
    ('', 'v5e:4x4'),
  ],
)
def test_an_unknown_topology_is_refused_with_the_known_ones(topology, message):
  with pytest.raises(ValueError, match=message):
    roofline.parse(topology)


def made(batch_size):
  """Returns a plan with a MiB of activations for each image of the batch."""
  collective = hlo.Collective('all-reduce', 10**9)
  return plans.Plan(
    WHERE,
    batch_size,
    1000,
    plans.Memory(1 << 30, batch_size << 20, 0, 0, 0),
    197e9,
    2e10,
    hlo.Traffic(8_190_000_000, (collective,), 3_000_000),
  )


def test_the_largest_batch_is_estimated():
  assert made(256).largest_batch == 15104  # images in 14.75 GiB
  assert made(15104).fits
  assert not made(15108).fits


def test_a_report_and_its_row_have_memory_work_and_time():
  written = text.describe(made(256))
  for part in (
    '4 chips, a batch of 256, 64 images a chip',
    '16,911.43 MB: fits',
    '15,104.00 images, estimated',
    '197.00 GFLOP',
    '25.00 ms',
    '10,240.00 images/s',
    '1 all-reduce; a chip sends 1,500.0 MB',
    '2.00 ms without exchange',
  ):
    assert part in written
  assert 'DOES NOT FIT' in text.describe(made(10**6))
  row = json.loads(json.dumps(text.row(made(256))))
  assert row['memory'].pop('total') == sum(row['memory'].values())
  assert row['images_per_second'] == pytest.approx(10_240)
  assert row['schedule_seconds'] == pytest.approx(25.0)


def test_the_images_of_a_known_data_set_are_counted():
  paths = {'data__path': '/nowhere'}
  celeba = small.config(data__source='celeba', **paths)
  assert plans.count_images(celeba) == 182_637
  assert plans.count_images(small.config()) == 20
  with pytest.raises(ValueError, match='--images=N'):
    plans.count_images(small.config(data__source='folder', **paths))


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'compile': 'pmap'}, 'jit'),
    ({'conditional': 'all'}, 'name the'),
    ({'batch_size': 6}, 'multiple of 4'),
  ],
)
def test_impossible_plans_are_refused_before_compiling(
  changes, message, monkeypatch
):
  four = jax.devices()[:1] * 4
  monkeypatch.setattr(plans, 'devices', lambda where: four)
  with pytest.raises(ValueError, match=message):
    plans.make(small.config(**changes), WHERE, images=20)


EIGHT = """
import json
import jax, jax.numpy as jnp
from jax import export
from tests import small
from vaegan_jax.training import setup
from vaegan_jax.data import batches
from vaegan_jax.planning import hlo

run = setup.prepare(small.config())
pixels = jax.ShapeDtypeStruct(
  (8, 16, 16, 3), jnp.uint8, sharding=run.compiled.sharded
)
given = run.abstract_state, batches.Batch(pixels, None)
compiled = run.compiled.step.lower(*given).compile()
counted = hlo.traffic(compiled.as_text(), devices=8)
lowered = export.export(run.compiled.step, platforms=('cuda', 'tpu'))(*given)
params = [n.params for n in given[0].networks.values()]
print(json.dumps({
  'devices': len(jax.devices()),
  'gradients': sum(x.size for x in jax.tree.leaves(params)) * 4,
  'collectives': counted.collectives,
  'lowered': lowered.platforms,
  'shared_by': lowered.nr_devices,
}))
"""


def test_eight_devices_sum_their_gradients_in_a_step_for_gpus_and_tpus():
  eight = json.loads(devices.run(EIGHT, count=8))
  assert eight['devices'] == 8
  summed = sum(n for kind, n in eight['collectives'] if kind == 'all-reduce')
  assert eight['gradients'] <= summed < 3 * eight['gradients']
  assert eight['lowered'] == ['cuda', 'tpu']
  assert eight['shared_by'] == 8


@pytest.mark.slow
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_the_papers_step_is_lowered_for_gpus_and_tpus(dtype):
  config = schema.change(faces.get_config(), {'dtype': dtype})
  run = setup.prepare(config)
  pixels = jax.ShapeDtypeStruct(
    (config.batch_size, 64, 64, 3), jnp.uint8, sharding=run.compiled.sharded
  )
  lowered = export.export(run.compiled.step, platforms=('cuda', 'tpu'))(
    run.abstract_state, batches.Batch(pixels, None)
  )
  assert lowered.platforms == ('cuda', 'tpu')
  kernels = re.findall(
    r'stablehlo.convolution.* -> (.*)', lowered.mlir_module()
  )
  short = {'float32': 'f32', 'bfloat16': 'bf16'}[dtype]
  assert len(kernels) > 20
  assert all(f'x{short}>' in kernel for kernel in kernels)


@pytest.mark.tpu
def test_a_step_is_compiled_for_a_tpu():
  plan = plans.make(small.config(), WHERE, images=20)
  assert {each.kind for each in plan.traffic.collectives} == {'all-reduce'}
  assert plan.fits
  assert plan.memory.data == 20 * 16 * 16 * 3
  assert 0 < plan.memory.state < sum(plan.memory) < 1 << 30
  assert 0 < plan.traffic.hbm_bytes < plan.bytes_accessed
  assert plan.traffic.cycles > 0
  assert math.isfinite(plan.least.total)


@pytest.mark.tpu
def test_a_program_too_large_for_a_chip_is_reported():
  with pytest.raises(ValueError, match=r'does not fit.*15\.75G'):
    plans.make(small.config(batch_size=1 << 22), WHERE, images=20)
