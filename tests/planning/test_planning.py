"""What chips must hold and do is counted right, and nothing else is taken."""

import json
import math
import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from jax import export

from experiments.configs import faces
from tests import small
from vaegan_jax.config import build
from vaegan_jax.data import batches
from vaegan_jax.planning import (
  hlo,
  plans,
  programs,
  roofline,
  search,
  text,
)
from vaegan_jax.training import setup

# As XLA for TPUs writes it, shortened.
PROGRAM = """
HloModule jit_step, is_scheduled=true

%fused (param_0: u8[100,12288], param_1: s32[8]) -> u8[8,12288] {
  %param_0 = u8[100,12288]{1,0:T(8,128)(4,1)} parameter(0)
  %param_1 = s32[8]{0:T(128)} parameter(1)
  ROOT %gather.1 = u8[8,12288]{1,0:T(8,128)(4,1)} gather(%param_0, %param_1), \
offset_dims={1}
}

%body (carried: f32[8,128]) -> f32[8,128] {
  %carried = f32[8,128]{1,0:T(8,128)} parameter(0)
  ROOT %twice = f32[8,128]{1,0:T(8,128)} add(%carried, %carried)
}

ENTRY %main (data: u8[100,12288], rows: s32[8], w: f32[16,3]) -> f32[16,3] {
  %data = u8[100,12288]{1,0:T(8,128)(4,1)} parameter(0)
  %rows = s32[8]{0:T(128)S(1)} parameter(1)
  %w = f32[16,3]{1,0:T(8,128)} parameter(2)
  %drawn = u8[8,12288]{1,0:T(8,128)(4,1)S(1)} fusion(%data, %rows), \
kind=kLoop, calls=%fused, backend_config={"estimated_cycles":"70"}
  %copy-start.1 = (f32[16,3]{1,0:T(8,128)S(1)}, f32[16,3]{1,0:T(8,128)}, \
u32[]{:S(2)}) copy-start(%w)
  %copy-done.1 = f32[16,3]{1,0:T(8,128)S(1)} copy-done(%copy-start.1)
  %slice-start.1 = ((f32[16,3]{1,0:T(8,128)}), f32[8,3]{1,0:T(8,128)S(1)}, \
s32[]{:S(2)}) slice-start(%w), slice={[0:8], [0:3]}
  %near = f32[16,3]{1,0:T(8,128)S(1)} negate(%copy-done.1), \
backend_config={"estimated_cycles":"5"}
  %first = f32[8,128]{1,0:T(8,128)S(1)} broadcast(%near)
  %loop = f32[8,128]{1,0:T(8,128)} while(%first), condition=%c, body=%body
  %sum = (f32[16,3]{1,0:T(8,128)S(1)}, /*index=1*/f32[]{:T(128)}) \
all-reduce(%near, %w), channel_id=1, replica_groups=mesh['axis_0'=4,'axis_1'=2]\
 {'axis_0'}, use_global_device_ids=true, to_apply=%add
  %whole-start = (f32[4,3]{1,0:T(8,128)}, f32[16,3]{1,0:T(8,128)}) \
all-gather-start(%quarter), replica_groups=[2,4]<=[8], dimensions={0}
  %whole = f32[16,3]{1,0:T(8,128)} all-gather-done(%whole-start)
  %quarter = f32[4,3]{1,0:T(8,128)S(1)} reduce-scatter(%near), \
replica_groups={{0,1,2,3},{4,5,6,7}}, dimensions={0}
  ROOT %out = f32[16,3]{1,0:T(8,128)} all-reduce(%whole), replica_groups={}
}
"""
WHERE = roofline.parse('v5e:2x2')


def test_collectives_are_counted_once_by_size_and_group():
  counted = hlo.traffic(PROGRAM, devices=8).collectives
  assert counted == (
    ('all-reduce', 2 * 16 * 3 * 4, 4),
    ('all-gather', 16 * 3 * 4, 4),
    ('reduce-scatter', 16 * 3 * 4, 4),
    ('all-reduce', 16 * 3 * 4, 8),
  )


def test_main_memory_is_what_is_not_on_the_chip_in_whole_tiles():
  taken = 8 * 12288  # of the data, what the gather takes
  copied = 16 * 128 * 4  # three numbers fill a row of a tile of 8 by 128
  sliced = 8 * 128 * 4
  loop = 3 * 8 * 128 * 4  # its body once
  counted = hlo.traffic(PROGRAM, devices=8)
  assert counted.main_bytes == taken + copied + sliced + loop
  assert counted.loops == 1
  assert counted.cycles == 75


def test_a_text_that_is_no_program_is_refused():
  with pytest.raises(ValueError, match='ENTRY'):
    hlo.traffic('module @jit_step', devices=8)
  strange = PROGRAM.replace('replica_groups={}', 'replica_groups=<all>')
  with pytest.raises(ValueError, match='<all>'):
    hlo.traffic(strange, devices=8)


def test_what_a_ring_sends():
  kinds = ('all-reduce', 'all-gather', 'collective-permute')
  sent = [hlo.Collective(kind, 400, 4).sent for kind in kinds]
  assert sent == [600, 300, 400]


def test_the_least_time_is_the_slower_of_two_and_the_exchange():
  # v5e: 197 TFLOP/s, 819 GB/s; 2x2: a link along each axis, of 50 GB/s.
  reduce = hlo.Collective('all-reduce', 10**9, 4)
  least = roofline.seconds(
    WHERE, flops=197e9, main_bytes=819e7, collectives=[reduce]
  )
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


def test_a_small_exchange_takes_as_long_as_its_hops():
  pod = roofline.parse('v5e:16x16')
  tiny = hlo.Collective('all-reduce', 4, 256)
  assert roofline.exchange(pod, tiny) == pytest.approx(32e-6)
  alone = hlo.Collective('all-reduce', 4, 1)
  assert roofline.exchange(roofline.parse('v5e:1x1'), alone) == 0


@pytest.mark.parametrize(
  ('topology', 'said'),
  [
    ('v5e', '1x1, 2x2'),
    ('v5e:3x3', '8x16, 16x16'),
    ('v5p:4x4', '2x2x1'),
    ('v7:4x4', 'v4, v5e, v5p, v6e'),
    ('', 'v5e:4x4'),
  ],
)
def test_unknown_chips_are_refused_with_those_that_are_known(topology, said):
  with pytest.raises(ValueError, match=said):
    roofline.parse(topology)


def made(batch_size, *, each=1 << 20, fixed=1 << 30, where=WHERE):
  """Gives a plan of so many bytes a chip for an image of the batch."""
  program = programs.Program(
    arguments=0,
    results=0,
    temporaries=0,
    code=0,
    flops=197e9,
    accessed=2e9,
    optimal_seconds=None,
    traffic=hlo.Traffic(
      819_000_000, (hlo.Collective('all-reduce', 10**9, 4),), 3_000_000, 0
    ),
    compiled_in=1.0,
  )
  memory = plans.Memory(
    parameters=fixed,
    optimizers=0,
    batch=0,
    data=0,
    activations=each * batch_size,
    rest=0,
  )
  return plans.Plan(where, batch_size, 1000, memory, program, None)


def test_the_largest_batch_is_found_with_few_compilations():
  tried = []

  def make(batch_size):
    tried.append(batch_size)
    return made(batch_size)

  found = search.largest_batch(make, start=61, chips=4)
  # 14.75 GiB are free: 15104 images.
  assert found.plan.batch_size == 15104
  assert found.plan.fits
  assert tried == [64, 15104]


def test_a_batch_that_the_compiler_refuses_is_halved():
  def make(batch_size):
    if batch_size > 1000:
      raise programs.TooLarge('too large')
    return made(batch_size, each=1)

  found = search.largest_batch(make, start=4000, chips=4)
  assert (found.plan.batch_size, found.too_large) == (1000, 1124)
  with pytest.raises(ValueError, match='no batch of 4000'):
    search.largest_batch(make, start=4000, chips=4, compilations=1)


def test_a_plan_says_what_fits_and_how_fast():
  written = text.describe(made(256))
  for said in (
    '4 chips, a batch of 256, 64 images a chip',
    '16,911 MB (8%): fits',
    '1.000 ms',
    '16.000 ms  16,000 images/s',
    '1 all-reduce; 1,500.0 MB sent',
    '2.000 ms  its cycles',
    'stays on the hosts',
  ):
    assert said in written
  assert 'loops' not in written
  assert 'DOES NOT FIT' in text.describe(made(10**6))


def test_a_plan_is_written_as_numbers():
  row = json.loads(json.dumps(text.row(made(256))))
  assert row['memory']['total'] == sum(
    value for name, value in row['memory'].items() if name != 'total'
  )
  assert row['images_per_second'] == pytest.approx(16_000)
  assert row['schedule_seconds'] == pytest.approx(16.0)


def test_images_are_counted_where_the_data_set_is_known():
  paths = {'data__path': '/nowhere'}
  celeba = small.config(data__source='celeba', **paths)
  assert plans.images(celeba) == 182_637
  assert plans.images(small.config()) == 20
  with pytest.raises(ValueError, match='--images=N'):
    plans.images(small.config(data__source='folder', **paths))


@pytest.mark.parametrize(
  ('changes', 'said'),
  [({'compile': 'pmap'}, 'jit'), ({'conditional': 'all'}, 'name them')],
)
def test_what_cannot_be_planned_is_refused_before_compiling(changes, said):
  with pytest.raises(ValueError, match=said):
    plans.make(small.config(**changes), WHERE, images=20)


def test_a_batch_that_the_chips_cannot_share_is_refused(monkeypatch):
  monkeypatch.setattr(
    programs, 'devices', lambda where: jax.devices()[:1] * where.chips
  )
  with pytest.raises(ValueError, match='multiple of 4'):
    plans.make(small.config(batch_size=6), WHERE, images=20)


# Run apart: the number of devices is fixed when jax starts.
EIGHT = """
import json
import jax, jax.numpy as jnp
from jax import export
from tests import small
from vaegan_jax.training import setup
from vaegan_jax.data import batches
from vaegan_jax.planning import hlo, plans

run = setup.prepare(small.config())
pixels = jax.ShapeDtypeStruct(
  (8, 16, 16, 3), jnp.uint8, sharding=run.compiled.sharded
)
given = run.abstract_state, batches.Batch(pixels, None)
compiled = run.compiled.step.lower(*given).compile()
counted = hlo.traffic(compiled.as_text(), devices=8)
lowered = export.export(run.compiled.step, platforms=('cuda', 'tpu'))(*given)
networks = given[0].networks.values()
print(json.dumps({
  'devices': len(jax.devices()),
  'gradients': plans._bytes([n.params for n in networks]),
  'collectives': counted.collectives,
  'main_bytes': counted.main_bytes,
  'lowered': lowered.platforms,
  'shared_by': lowered.nr_devices,
}))
"""


@pytest.fixture(scope='module')
def eight():
  """What XLA makes of a step for eight devices."""
  several = ' --xla_force_host_platform_device_count=8'
  result = subprocess.run(
    [sys.executable, '-c', EIGHT],
    env={**os.environ, 'XLA_FLAGS': os.environ['XLA_FLAGS'] + several},
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.stdout, result.stderr
  return json.loads(result.stdout)


def test_a_real_program_sums_its_gradients_over_all_devices(eight):
  reduced = [
    (size, group)
    for kind, size, group in eight['collectives']
    if kind == 'all-reduce'
  ]
  assert {group for _, group in reduced} == {eight['devices']} == {8}
  summed = sum(size for size, _ in reduced)
  assert eight['gradients'] <= summed < 3 * eight['gradients']
  assert eight['main_bytes'] > eight['gradients']


def test_a_step_over_devices_is_lowered_for_gpus_and_tpus(eight):
  assert eight['lowered'] == ['cuda', 'tpu']
  assert eight['shared_by'] == 8


@pytest.mark.slow
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_the_papers_step_is_lowered_for_gpus_and_tpus(dtype):
  config = build.change(faces.get_config(), {'dtype': dtype})
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
  kinds = {each.kind for each in plan.step.traffic.collectives}
  assert kinds == {'all-reduce'}
  assert plan.fits
  assert plan.memory.data >= 20 * 16 * 16 * 3
  assert 0 < plan.memory.parameters < plan.memory.total < 1 << 30
  assert math.isfinite(plan.images_per_second)


@pytest.mark.tpu
def test_a_program_too_large_for_a_chip_is_reported_so():
  device = programs.devices(WHERE)[0]
  vast = jax.ShapeDtypeStruct(
    (1 << 34,), jnp.float32, sharding=jax.sharding.SingleDeviceSharding(device)
  )
  with pytest.raises(programs.TooLarge, match=r'15\.75G'):
    programs.compile_for(WHERE, jax.jit(lambda x: x + 1), vast)
