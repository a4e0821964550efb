"""What the report says beside its pictures and curves."""

DATA = {
  'faces': 'cartoon faces',
  'celeba': 'CelebA',
  'lfw': 'LFW',
  'folder': 'a folder of images',
}

# A picture's file stem -> its alternative text.
PICTURES = {
  'reconstructions': (
    'Rows of held-out images, each above its reconstruction.'
  ),
  'samples': 'Rows of images decoded from random codes.',
  'development_reconstructions': (
    'Reconstructions of the same images, a row for each of several steps.'
  ),
  'development_samples': (
    'Samples from the same codes, a row for each of several steps.'
  ),
  'interpolation': (
    'Rows of images that change gradually from one face into another.'
  ),
}

# A curve's file stem without 'curves_' -> what it shows, how it should look,
# how a collapse looks.
CURVES = {
  'discriminator': (
    'What Dis pays for images it should call real and for those it should '
    'call generated; log 2 is the price of guessing. In the shade, if there '
    'is one, both Dec and Dis are updated. Healthy: both lines keep moving '
    'thereabouts. Collapse: both sink to 0, as Dis has won and has nothing '
    'left to teach.'
  ),
  'generation': (
    'What L_GAN makes Dec descend. Healthy: noise around a level, as Dec and '
    'Dis gain on each other in turn. Collapse: a lasting drift to one side.'
  ),
  'prior': (
    'Nats that a code tells about its image. Healthy: it settles at tens to '
    'a few hundreds. Collapse: it falls to 0, so codes say nothing and all '
    'reconstructions look alike.'
  ),
  'llike': (
    'Distance of an image from its reconstruction. In pixels, or in a frozen '
    'Dis_l, it falls. In the eyes of a Dis that itself changes it need not: '
    'healthy is level, or slowly rising. Collapse: near 0, as Dis_l no longer '
    'reacts, or growing without end.'
  ),
  'active_dimensions': (
    'Dimensions of a code that tell more than 0.01 nats of an image, in the '
    'mean of a batch. Healthy: some to all; those that a model has no use for '
    'it leaves at the prior, at no cost. Collapse: next to none.'
  ),
  'feature_scale': (
    'How large the features are in which x and its reconstruction are '
    'compared. Healthy: it keeps its order of magnitude. Collapse: it shrinks '
    'towards 0, and L_llike with it, whatever the images look like.'
  ),
  'gradient_norms': (
    "Size of each network's gradient. Healthy: each stays within a factor of "
    'ten or so. Collapse: one fades towards 0, as its signal is gone, or '
    'climbs steadily, as it is about to diverge.'
  ),
  'learning_rate': (
    'As the settings ask. It follows the step, also where a network was '
    'skipped.'
  ),
}
RULE = (
  'The equilibrium rule skips whichever of Dec and Dis is winning. Healthy: '
  'Enc moves in every step, Dec and Dis are each skipped now and then. '
  'Collapse: one of them lies at 0 %, as the rule waits in vain for the other '
  'to catch up.'
)
NO_RULE = (
  'No equilibrium rule acts here: every network moves in every step, and '
  'all lines lie at 100 %. A collapse then shows in the cross entropies alone.'
)
COLLAPSED = 'Something has collapsed'
COLLAPSED_LEAD = (
  'So it stood at the last logged step. The run went on, as every number is '
  'finite; its pictures should be looked at with this in mind.'
)
