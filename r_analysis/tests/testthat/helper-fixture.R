# Made-up results in the layout of schema.csv: no patient, no network. The committed folder fixture/ is what
# write_fixture_results writes with its defaults, and a test checks that it still is.

#' Table 3 of the article, completed at 10-19 mm; for the fixture only.
categorize_fixture <- function(diameter_mm, aphe, washout, capsule) {
  extra <- washout + capsule
  category <- ifelse(
    aphe == 0, ifelse(extra == 2 | (extra == 1 & diameter_mm >= 20), 4, 3),
    ifelse(diameter_mm < 10, ifelse(extra == 0, 3, 4), ifelse(
      diameter_mm < 20, ifelse(extra == 0, 3, ifelse(washout == 1, 5, 4)), ifelse(extra == 0, 4, 5)
    ))
  )
  paste0("LR-", category)
}

make_fixture_results <- function(positives = 18, negatives = 9, folds = 3, levels = 11, seed = 7,
                                 variants = c("vgg16-adaptive", "vgg16-plain", "resnet50-adaptive", "resnet50-plain")) {
  set.seed(seed, "Mersenne-Twister", "Inversion", "Rejection")
  thresholds <- seq(0.1, 0.9, 0.1)
  total <- positives + negatives
  patients <- data.frame(
    patient_id = sprintf("P%03d", seq_len(total)), group = rep(c("positive", "negative"), c(positives, negatives)),
    fold = (seq_len(total) - 1) %% folds, n_lesions_ref = c(pmin(1 + rpois(positives, 0.6), 4), rep(0, negatives)),
    age_years = round(pmin(pmax(rnorm(total, 58.5, 11), 20), 90)), sex = sample(c("M", "F"), total, TRUE, c(0.7, 0.3)),
    scanner = sample(c("Achieva 3.0T", "Discovery MR 750 3.0T"), total, TRUE)
  )
  ids <- rep(patients$patient_id, patients$n_lesions_ref)
  n <- length(ids)
  effect <- setNames(rnorm(total), patients$patient_id)
  lesions <- data.frame(
    patient_id = ids, lesion_id = paste0("L", ave(seq_len(n), ids, FUN = seq_along)),
    fold = patients$fold[match(ids, patients$patient_id)],
    diameter_mm = round(pmin(pmax(exp(rnorm(n, 3.15, 0.75)), 4), 160), 1)
  )
  d <- lesions$diameter_mm
  lesions$aphe_ref <- rbinom(n, 1, 0.7)
  lesions$washout_ref <- rbinom(n, 1, plogis(-0.6 + 0.03 * d))
  lesions$capsule_ref <- rbinom(n, 1, plogis(-1.2 + 0.03 * d))
  lesions$category_true <- categorize_fixture(d, lesions$aphe_ref, lesions$washout_ref, lesions$capsule_ref)
  lesions$category_ref <- lesions$category_true
  lesions <- lesions[c(
    "patient_id", "lesion_id", "fold", "diameter_mm", "category_ref", "aphe_ref", "washout_ref", "capsule_ref",
    "category_true"
  )]

  # A lesion is found up to the highest probability in it; small lesions are dimmer.
  peak <- plogis(2.5 * log(d / 11) + 0.5 * effect[ids] + rnorm(n))
  voxels <- pmax(1, round(pi / 6 * d^3 / 25))
  best <- runif(n, 0.05, 0.2)
  spurious <- lapply(seq_len(total), function(i) data.frame(peak = rbeta(rpois(1, 0.5), 1.5, 3)))
  spurious_d <- lapply(spurious, function(s) round(runif(nrow(s), 4, 15), 1))
  at <- function(threshold) {
    found <- peak >= threshold
    share <- ifelse(found, 1 - best - 0.5 * pmax(0, threshold - 0.6), 0)
    excess <- ifelse(found, best + 0.5 * pmax(0, 0.6 - threshold), 0)
    tp <- round(share * voxels)
    list(found = found, tp = tp, fp = round(excess * voxels), fn = voxels - tp)
  }
  counts <- do.call(rbind, lapply(seq(0, 1, length.out = levels), function(threshold) {
    here <- at(threshold)
    sum_of <- function(x) vapply(patients$patient_id, function(p) sum(x[ids == p]), numeric(1), USE.NAMES = FALSE)
    extra <- mapply(function(s, size) sum(round(size[s$peak >= threshold]^3 / 50)), spurious, spurious_d)
    tp <- sum_of(here$tp)
    fn <- sum_of(here$fn)
    fp <- if (threshold == 0) 500000 - tp - fn else sum_of(here$fp) + extra
    data.frame(
      segmentation = "delayed", patients[c("patient_id", "group", "fold")], threshold, tp, fp, fn,
      tn = 500000 - tp - fp - fn
    )
  }))
  counts <- counts[order(counts$patient_id), ]
  dice <- counts[counts$tp + counts$fn > 0 & round(counts$threshold, 6) %in% round(thresholds, 6), ]
  dice <- data.frame(
    dice[c("segmentation", "patient_id", "fold", "threshold")], dice = 2 * dice$tp / (2 * dice$tp + dice$fp + dice$fn)
  )
  lesion_detection <- do.call(rbind, lapply(thresholds, function(threshold) {
    here <- at(threshold)
    found <- here$found
    # Some components lie beside the middle of their lesion, so that rules of overlap differ.
    iou <- c(1, 0.6, 0.1)[1 + seq_len(n) %% 3] * here$tp / (here$tp + here$fp + here$fn)
    wrong <- do.call(rbind, lapply(seq_len(total), function(i) {
      keep <- which(spurious[[i]]$peak >= threshold)
      data.frame(patient_id = rep(patients$patient_id[i], length(keep)), diameter_mm = spurious_d[[i]][keep])
    }))
    rows <- rbind(
      data.frame(
        patient_id = ids, kind = "reference", lesion_id = lesions$lesion_id, diameter_mm = d,
        matched = as.integer(found), iou = iou
      ),
      data.frame(
        patient_id = ids, kind = "predicted", lesion_id = paste0("C", lesions$lesion_id),
        diameter_mm = round(0.95 * d, 1), matched = 1, iou = iou
      )[found, ],
      data.frame(
        patient_id = wrong$patient_id, kind = rep("predicted", nrow(wrong)),
        lesion_id = sprintf("S%d", as.integer(ave(seq_len(nrow(wrong)), wrong$patient_id, FUN = seq_along))),
        diameter_mm = wrong$diameter_mm,
        matched = rep(0, nrow(wrong)), iou = rep(0, nrow(wrong))
      )
    )
    row <- match(rows$patient_id, patients$patient_id)
    rows <- data.frame(
      segmentation = "delayed", threshold, patient_id = rows$patient_id, patients[row, c("group", "fold")], rows[-1]
    )
    rows[order(rows$patient_id), ]
  }))
  patient_detection <- do.call(rbind, lapply(thresholds, function(threshold) {
    here <- lesion_detection[lesion_detection$threshold == threshold, ]
    has <- function(rows) as.integer(patients$patient_id %in% here$patient_id[rows])
    references <- here[here$kind == "reference", ]
    data.frame(
      segmentation = "delayed", threshold, patients[c("patient_id", "group", "fold")],
      has_reference = has(here$kind == "reference"), has_prediction = has(here$kind == "predicted"),
      detected = has(here$kind == "reference" & here$matched == 1),
      iou = vapply(patients$patient_id, function(p) max(0, references$iou[references$patient_id == p]), numeric(1))
    )
  }))
  skill <- c(
    "vgg16-adaptive" = 2.2, "vgg16-plain" = 1.4, "resnet50-adaptive" = 2, "resnet50-plain" = 1.2,
    "direct-frozen" = 0.2, "direct-finetuned" = 0.5, "direct-finetuned-size" = 0.8
  )[variants]
  both <- lapply(variants, function(variant) {
    of_roi <- lapply(c("reference_roi", "automatic_roi"), function(roi) {
      detected <- roi == "reference_roi" | peak >= 0.5
      used <- if (roi == "reference_roi") d else round(0.95 * d, 1)
      probability <- vapply(c("aphe_ref", "washout_ref", "capsule_ref"), function(name) {
        round(plogis(skill[[variant]] * (2 * lesions[[name]] - 1) / 2 + 0.4 * effect[ids] + rnorm(n)), 4)
      }, numeric(n))
      present <- (probability >= 0.5) * 1
      category <- categorize_fixture(used, present[, 1], present[, 2], present[, 3])
      segmentation <- if (roi == "reference_roi") NA else "delayed"
      where <- data.frame(variant, roi, segmentation, lesions[c("fold", "patient_id", "lesion_id")])
      # A direct classifier reads no feature.
      features <- do.call(rbind, lapply(if (startsWith(variant, "direct")) integer() else 1:3, function(f) {
        data.frame(
          where, feature = c("aphe", "washout", "capsule")[f],
          reference = lesions[[paste0(c("aphe", "washout", "capsule")[f], "_ref")]],
          probability = ifelse(detected, probability[, f], NA)
        )
      }))
      categories <- data.frame(
        where, diameter_mm = ifelse(detected, used, NA), category_ref = lesions$category_ref,
        category_pred = ifelse(detected, category, NA), detected = as.integer(detected),
        reasons = ifelse(detected, "made up for tests", "missed")
      )
      list(features = features, categories = categories)
    })
    list(
      features = do.call(rbind, lapply(of_roi, `[[`, "features")),
      categories = do.call(rbind, lapply(of_roi, `[[`, "categories"))
    )
  })
  history <- function(stage, variant, fold, epochs, metrics, start) {
    rows <- expand.grid(metric = metrics, epoch = seq_len(epochs) - 1, stringsAsFactors = FALSE)
    value <- start * exp(-0.4 * rows$epoch) + 0.1 * startsWith(rows$metric, "val_") + rnorm(nrow(rows), 0, 0.02)
    data.frame(stage, variant, fold, epoch = rows$epoch, metric = rows$metric, value)
  }
  with_dice <- function(rows) {
    rbind(rows, transform(rows, metric = sub("loss", "dice", rows$metric), value = 0.9 - 0.4 * rows$value))
  }
  losses <- c("loss", "val_loss")
  finetune <- lapply(seq_len(folds) - 1, function(fold) with_dice(history("finetune", "delayed", fold, 4, losses, 1)))
  characterization <- unlist(lapply(variants, function(variant) {
    lapply(seq_len(folds) - 1, function(fold) history("characterization", variant, fold, 5, losses, 0.7))
  }), recursive = FALSE)
  results <- list(
    run = data.frame(
      key = c(
        "run", "cohort", "profile", "commit", "dirty", "seed", "folds", "rules", "decision_threshold", "python",
        "tensorflow", "keras", "segmentation"
      ),
      value = c(
        "fixture", "virtual cohort", "fixture", "0000000", 0, seed, folds, "paper", 0.5, "3.11.2", "2.21.0", "3.15.1",
        "delayed"
      )
    ),
    # Which variants there are is of the code, not made up: as in the results that are kept beside the analysis.
    variants = utils::read.csv(file.path(analysis_folder, "reference", "variants.csv"), colClasses = "character"),
    patients = patients, lesions = lesions, dice_by_threshold = dice,
    fold_thresholds = data.frame(
      segmentation = "delayed", fold = seq_len(folds) - 1, threshold_chosen = rep_len(c(0.5, 0.6), folds),
      minimum_volume_mm3 = 100,
      dice_validation = round(runif(folds, 0.6, 0.8), 3)
    ),
    pixel_counts = counts, lesion_detection = lesion_detection, patient_detection = patient_detection,
    features = do.call(rbind, lapply(both, `[[`, "features")),
    categories = do.call(rbind, lapply(both, `[[`, "categories"))
  )
  pretrain <- with_dice(history("pretrain", NA, NA, 3, losses, 1.2))
  results$training_history <- do.call(rbind, c(list(pretrain), finetune, characterization))
  results$predicted_lesions <- make_fixture_predicted(results)
  results$durations <- data.frame(stage = c("cohort", "folds"), seconds = c(90, 1410))
  c(
    results, make_fixture_cohort(patients[patients$n_lesions_ref > 0, ]), make_fixture_repeats(results$categories),
    make_fixture_diagrams(), list(draws = make_fixture_draws(patients))
  )
}

#' What further seeds and a half split give; made up, too.
make_fixture_repeats <- function(categories) {
  seeds <- expand.grid(
    seed = 1:3, roi = c("reference_roi", "automatic_roi"), variant = unique(categories$variant),
    stringsAsFactors = FALSE
  )
  half <- categories[categories$fold == 0, ]
  list(
    seed_accuracy = data.frame(
      seeds[c("variant", "seed", "roi")], segmentation = ifelse(seeds$roi == "reference_roi", NA, "delayed"),
      accuracy = round(runif(nrow(seeds), 0.4, 0.7), 4), n = 25
    ),
    half_split = half[c("variant", "roi", "segmentation", "patient_id", "lesion_id", "category_ref", "category_pred")]
  )
}

#' The run's own patients and those of two further draws, each with one lesion if any; made up, too. Of every third
#' patient the lesion is missed, and of every fourth something else is predicted.
make_fixture_draws <- function(patients) {
  of <- function(draw, draw_patient_id, group) {
    number <- seq_along(group)
    n_reference <- as.integer(group == "positive")
    n_detected <- n_reference * as.integer(number %% 3 > 0)
    data.frame(
      draw, condition = "as_acquired", amount = NA, segmentation = "delayed", draw_patient_id, group,
      dice = ifelse(n_reference > 0, n_detected * round(runif(length(group), 0.3, 0.9), 4), NA),
      n_reference, n_detected, n_predicted = n_detected + as.integer(number %% 4 == 0), n_matched = n_detected
    )
  }
  group <- rep(c("positive", "negative"), c(8, 4))
  further <- lapply(c("fresh", "shifted"), function(draw) of(draw, sprintf("D%02d", seq_along(group)), group))
  rbind(of("cross_validation", patients$patient_id, patients$group), do.call(rbind, further))
}

#' The tables that only a run on a virtual cohort has, and the intensity window's; made up, too.
make_fixture_cohort <- function(positives) {
  n <- nrow(positives)
  curves <- expand.grid(
    time_s = c(0, 15, 20, 25, 30, 35, 45, 55, 90, 180), field_strength_t = c(1.5, 3),
    tissue = c("cirrhotic liver", "HCC with APHE and washout", "capsule", "aorta"), stringsAsFactors = FALSE
  )
  peak <- c("cirrhotic liver" = 60, "HCC with APHE and washout" = 25, capsule = 120, aorta = 15)[curves$tissue]
  rise <- function(t, peak) t / peak * exp(1 - t / peak)
  own <- 1 + curves$field_strength_t / 2 * rise(curves$time_s, peak)
  liver <- 1 + curves$field_strength_t / 2 * rise(curves$time_s, 60)
  list(
    baseline_segmentation = data.frame(
      positives[c("patient_id", "fold")], lower = -0.8 + 0.1 * positives$fold, upper = 0.3,
      dice = round(runif(n, 0, 0.1), 4)
    ),
    cohort_summary = data.frame(
      source = c("Table 1", "Table 2", "Table 2", "section 2.3"),
      item = c("section thickness", "positive patients; liver operation", "negative patients; follow-up", "scanners"),
      unit = c("mm", "patients", "patients", NA), paper = c("4.4 or less", "40", "18", "four"),
      cohort = c("4.4", "40", "18", "two")
    ),
    cohort_realism = data.frame(
      quantity = c(rep("lesion over liver signal", 3), "share with APHE", "share with capsule", "age", "cyst volume"),
      group = c("HCC", "HCC", "not HCC", "HCC", "HCC", NA, "negative patients"),
      phase = c("arterial", "delayed", "portal_venous", "arterial", NA, NA, NA),
      unit = c(rep(NA, 3), "%", "%", "years", "ml"),
      n = c(120, 120, 54, 174, 174, 203, NA), measured = c(1.28, 0.86, 0.99, 78.2, 23.1, 58.5, NA),
      measured_low = c(1.25, 0.84, NA, 71.2, 17.5, 57, NA), measured_high = c(1.31, 0.88, NA, 84, 30, 60, NA),
      literature = c(1.3, 0.88, 1, 89, NA, 58.53, 3), literature_low = c(1.2, NA, NA, 83, NA, 57, NA),
      literature_high = c(1.4, NA, NA, 94, 29, 60.1, NA),
      source = c("Author A 2010", "Author A 2010", "Author B 2012", "Author C 2018", "Author C 2018", "the article", NA)
    ),
    contrast_curves = data.frame(
      curves[c("tissue", "field_strength_t", "time_s")], signal_over_precontrast = own, signal_over_liver = own / liver
    ),
    reader_ceiling = data.frame(patient_id = positives$patient_id, dice_readers = round(runif(n, 0.8, 0.92), 4))
  )
}

#' A picture as a writer of results would put it beside the tables.
write_fixture_picture <- function(path, width = 60, height = 30) {
  ragg::agg_png(path, width, height, units = "px")
  graphics::par(mar = c(0, 0, 0, 0))
  graphics::image(matrix(seq_len(6), 3), axes = FALSE)
  grDevices::dev.off()
  invisible(path)
}

write_results <- function(results, folder) {
  dir.create(folder, showWarnings = FALSE, recursive = TRUE)
  for (name in names(results)) {
    table <- results[[name]]
    table[] <- lapply(table, function(x) if (is.numeric(x)) ifelse(is.na(x), NA, sprintf("%.6g", x)) else x)
    table[] <- lapply(table, as.character)
    table[] <- lapply(table, function(x) ifelse(grepl(",", x, fixed = TRUE), dQuote(x, FALSE), x))
    con <- file(file.path(folder, paste0(name, ".csv")), "wb")
    write.csv(table, con, row.names = FALSE, na = "", quote = FALSE, eol = "\n")
    close(con)
  }
  invisible(folder)
}

write_fixture_results <- function(folder, ...) write_results(make_fixture_results(...), folder)
