"""The reference: CelebA at 64x64 as in the authors' commit 1906387.

Paper: Larsen et al., ICML 2016, with the settings that only the code gives.
Data: see the README; config.data.path is the folder with
  img_align_celeba.zip (or img_align_celeba/), list_eval_partition.txt and
  list_attr_celeba.txt.
Command:
  python -m experiments.train --config=experiments/configs/celeba.py \
    --workdir=runs/celeba --config.data.path=PATH

Every other config is a delta of this one. (P): the paper; (C): the code.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  """Gives the settings of commit 1906387, "latest version on Arxiv"."""
  config = ml_collections.ConfigDict()

  config.model = 'vaegan'  # or 'vae', 'vae_dis', 'gan'
  config.similarity = ''  # vae_dis: the folder of the run that gives its Dis
  config.conditional = ''  # attributes: 'all', or names joined by commas
  config.steps = 37_500  # batches: 150 epochs of 250 (C)
  config.batch_size = 64  # images a step, over all devices (P)
  config.seed = 0  # of parameters, noise and the order of the data

  # The objective (algorithm.py).
  config.gamma = 1e-5  # weight of L_llike against L_GAN in the decoder (C)
  config.real_share = 0.66  # of log Dis(x) in L_GAN, 1/3 in (P) (C)
  config.reconstructions_judged = True  # L_GAN has a term for x_tilde (P, C)
  config.log_epsilon = 1e-3  # inside the logarithms of L_GAN (C); 0 in (P)
  config.non_saturating = False  # beyond the paper: Dec descends -log Dis
  config.joint_normalisation = True  # one batch norm over [x; x_tilde; x_p]
  config.equilibrium = True  # skip the network that is winning (C)
  config.equilibrium_centre = 0.68  # nats (C)
  config.equilibrium_margin = 0.35  # nats (C)
  config.average_decay = 0.0  # beyond the paper: average of the decoder; 0: off

  # The networks (networks.py).
  config.latent_size = 128  # of a code z (C)
  config.width = 1.0  # multiple of every number of channels and units below
  config.encoder = ml_collections.ConfigDict()
  config.encoder.channels = (64, 128, 256)  # strided convolutions (P)
  config.encoder.hidden = 1024  # units of the dense layer (C); 2048 (P)
  config.encoder.learning_rate_scale = 1.0  # of config.optimizer.learning_rate
  config.encoder.weight_decay = 1e-5  # gradient 2 * this * W of kernels (C)
  config.decoder = ml_collections.ConfigDict()
  config.decoder.channels = (
    256,
    256,
    128,
    32,
  )  # dense maps, strided layers (P)
  config.decoder.learning_rate_scale = 1.0
  config.decoder.weight_decay = 1e-5
  config.discriminator = ml_collections.ConfigDict()
  config.discriminator.channels = (32, 128, 256, 256)  # the first: stride 1 (P)
  config.discriminator.hidden = 512  # units of the dense layer (P)
  config.discriminator.layer = 3  # Dis_l: raw output of this strided one (C)
  config.discriminator.learning_rate_scale = 1.0
  # Of an L_GAN whose shares add up to 1; scaled as ours is.
  config.discriminator.weight_decay = 1e-5

  # The optimizers (optimizers.py): one of this kind for each network.
  config.optimizer = ml_collections.ConfigDict()
  config.optimizer.name = 'rmsprop'  # or 'adam'
  config.optimizer.learning_rate = 0.02 / 64  # of the first epoch (C)
  config.optimizer.final_learning_rate = 1e-5 / 64  # after the last (C)
  config.optimizer.power = 0.75  # how it falls in between (C)
  config.optimizer.epoch = 250  # steps between changes of it (C)
  config.optimizer.decay = 0.9  # of RMSProp's mean square (C); Adam's b2
  config.optimizer.momentum = 0.0  # Adam's b1; RMSProp has none

  # The data (data/).
  config.data = ml_collections.ConfigDict()
  config.data.source = (
    'celeba'  # 'faces', 'celeba', 'lfw', 'folder', 'tfds:NAME'
  )
  config.data.path = ''  # folder or archive; '' for faces
  config.data.size = (64, 64)  # pixels: height, width; one number: a square
  config.data.channels = 3  # 3: RGB; 1: grey (folder and tfds)
  config.data.flips = True  # mirror every other image (C)
  config.data.jitter = True  # move and recolour images a little (C)
  config.data.train_on_validation = True  # celeba: train on both (C)
  config.data.faces = 20_000  # faces: how many to draw for training
  config.data.seed = 0  # faces: which ones are drawn
  config.data.cache = ''  # where arrays are kept; '': ~/.cache/vaegan_jax
  # Images that cannot be used (broken, missing, without attributes) are left
  # out with a warning up to one in a thousand; True: however many.
  config.data.skip_broken = False
  config.data.resident = 4 << 30  # bytes up to which data lives on the devices

  # The run (training.py, parallel.py).
  config.compile = 'jit'  # 'jit' over a device mesh, or 'pmap'
  # Type of the activations in training: 'float32', or 'bfloat16', half as
  # large and meant for GPUs and TPUs. Parameters, optimizers, statistics,
  # losses and evaluation are float32 in any case.
  config.dtype = 'float32'
  # Run Enc and Dec again for their gradients instead of keeping what they made:
  # less memory on accelerators, 11 or 12 % more work; docs/large.md.
  config.recompute = False
  # Steps that one call of the compiled program does, in a loop on the device:
  # 10 or more where steps are shorter than the host's work for one (small
  # batches on GPUs); CPUs gain nothing. Must divide picture_every and
  # save_every.
  config.steps_per_dispatch = 1
  config.log_every = 50  # steps between rows of metrics.jsonl
  config.picture_every = 1250  # steps between pictures
  config.save_every = 1250  # steps between checkpoints
  config.keep = 3  # newest checkpoints kept
  config.keep_every = 12_500  # steps of which one is kept for ever; 0: none

  return config.lock()
